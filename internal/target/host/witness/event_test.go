package witness

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// encode writes an event as the kernel does.
func encode(e event) []byte {
	order := binary.NativeEndian
	info := func(kind byte, body []byte) []byte {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		return append(order.AppendUint16([]byte{kind, 0}, uint16(infoSize+len(body))), body...)
	}
	var records []byte
	if e.dir != nil {
		records = append(records, info(unix.FAN_EVENT_INFO_TYPE_DFID_NAME, append(append(append([]byte{}, e.dir...), e.name...), 0))...)
	}
	records = append(records, info(99, []byte("of a kernel to come"))...)
	if e.pidfd != noPidfd {
		records = append(records, info(unix.FAN_EVENT_INFO_TYPE_PIDFD, order.AppendUint32(nil, uint32(e.pidfd)))...)
	}
	raw := order.AppendUint32(nil, uint32(metadataSize+len(records)))
	raw = append(raw, unix.FANOTIFY_METADATA_VERSION, 0)
	raw = order.AppendUint16(raw, metadataSize)
	raw = order.AppendUint64(raw, e.mask)
	raw = order.AppendUint32(raw, ^uint32(0)) // no file is open
	raw = order.AppendUint32(raw, uint32(e.pid))
	return append(raw, records...)
}

func drawEvent(t *rapid.T) event {
	handle := rapid.SliceOfN(rapid.Byte(), 0, 128).Draw(t, "handle")
	key := append(rapid.SliceOfN(rapid.Byte(), fsidSize, fsidSize).Draw(t, "fsid"), make([]byte, 8)...)
	binary.NativeEndian.PutUint32(key[fsidSize:], uint32(len(handle)))
	return event{
		mask: rapid.Uint64().Draw(t, "mask"), pid: rapid.IntRange(0, 1<<22).Draw(t, "pid"),
		pidfd: rapid.SampledFrom([]int{noPidfd, unix.FAN_NOPIDFD, unix.FAN_EPIDFD, 7}).Draw(t, "pidfd"),
		dir:   append(key, handle...), name: []byte(rapid.StringMatching(`[a-z.]{1,255}`).Draw(t, "name")),
	}
}

func TestEventsAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(drawEvent), 0, 5).Draw(t, "events")
		var buffer []byte
		for _, e := range want {
			buffer = append(buffer, encode(e)...)
		}
		for _, e := range want {
			got, rest, ok := next(buffer)
			if buffer = rest; !ok || got.mask != e.mask || got.pid != e.pid || got.pidfd != e.pidfd ||
				string(got.dir) != string(e.dir) || string(got.name) != string(e.name) {
				t.Fatalf("%+v %t, want %+v", got, ok, e)
			}
		}
		if len(buffer) > 0 {
			t.Fatalf("%d bytes are left", len(buffer))
		}
	})
}

func TestBrokenEventsEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		buffer := encode(drawEvent(t))
		for range rapid.IntRange(0, 4).Draw(t, "errors") {
			buffer[rapid.IntRange(0, len(buffer)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		buffer = buffer[:rapid.IntRange(0, len(buffer)).Draw(t, "size")]
		for len(buffer) > 0 {
			_, rest, _ := next(buffer)
			if len(rest) >= len(buffer) {
				t.Fatal("it goes on for ever")
			}
			buffer = rest
		}
	})
}

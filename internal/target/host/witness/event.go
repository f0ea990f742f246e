package witness

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// event is one thing that one process did, maybe several times. Its parts point into the buffer that it was read into.
type event struct {
	mask  uint64
	pid   int    // 0: it is not to be seen from here
	pidfd int    // or noPidfd, FAN_NOPIDFD, FAN_EPIDFD; whoever gets the event closes it
	dir   []byte // the directory's key
	name  []byte // in the directory; "." is the directory itself
}

// noPidfd stands for the pidfd of a kernel that has none.
const noPidfd = -100

// The layout of events, see fanotify(7): metadata, then records that each begin with a type and a length.
const (
	versionAt    = 4
	startAt      = 6 // of the size of the metadata
	maskAt       = 8
	pidAt        = 20
	metadataSize = 24
	infoSize     = 4
)

// next takes the first event off what was read from a group. It is false when that is no event as we know them; then nothing after it
// can be understood either.
func next(buffer []byte) (first event, rest []byte, ok bool) {
	if len(buffer) < metadataSize || buffer[versionAt] != unix.FANOTIFY_METADATA_VERSION {
		return event{}, nil, false
	}
	size, start := uint64(binary.NativeEndian.Uint32(buffer)), uint64(binary.NativeEndian.Uint16(buffer[startAt:]))
	if size > uint64(len(buffer)) || start < metadataSize || start > size {
		return event{}, nil, false
	}
	first = event{
		mask: binary.NativeEndian.Uint64(buffer[maskAt:]), pid: int(int32(binary.NativeEndian.Uint32(buffer[pidAt:]))), pidfd: noPidfd,
	}
	return first, buffer[size:], first.learn(buffer[start:size])
}

// learn takes in an event's records. Those of kinds that it does not know are left out.
func (e *event) learn(records []byte) bool {
	for len(records) > 0 {
		if len(records) < infoSize {
			return false
		}
		size := int(binary.NativeEndian.Uint16(records[2:]))
		if size < infoSize || size > len(records) {
			return false
		}
		kind, body, ok := records[0], records[infoSize:size], true
		records = records[size:]
		switch kind {
		case unix.FAN_EVENT_INFO_TYPE_DFID_NAME:
			ok = e.locate(body)
		case unix.FAN_EVENT_INFO_TYPE_PIDFD:
			if ok = len(body) >= 4; ok {
				e.pidfd = int(int32(binary.NativeEndian.Uint32(body)))
			}
		}
		if !ok {
			return false
		}
	}
	return true
}

// locate takes the directory's key and the entry's name apart: the key is the record's beginning, as it is.
func (e *event) locate(body []byte) bool {
	if len(body) < headerSize {
		return false
	}
	size := binary.NativeEndian.Uint32(body[fsidSize:])
	if uint64(size) > uint64(len(body)-headerSize) {
		return false
	}
	end := headerSize + int(size)
	name, _, terminated := bytes.Cut(body[end:], []byte{0})
	e.dir, e.name = body[:end], name
	return terminated
}

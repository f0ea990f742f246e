package journal

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// writerOf names the directory that this test binary writes to instead of running tests; see TestKilledWhileWriting.
const writerOf = "SETPOINT_TEST_WRITE_TO"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerOf); dir != "" {
		writeUntilKilled(dir)
	}
	os.Exit(m.Run())
}

var shop = state.Owner{Agent: "host-1", Sync: "shop"}

func fileID(name string) state.ID {
	return state.ID{Group: "host.setpoint.dev", Kind: "File", Name: name}
}

// typical is a record of the size that most have.
func typical(name string, generation int) Record {
	data := fmt.Sprintf(`{"path":"/etc/shop/%s.conf","generation":%d,"prior":{"existed":true,"type":"file","mode":"0644","uid":0,"gid":0}}`, name, generation)
	return Record{ID: fileID(name), Owner: shop, Declared: state.DigestBytes([]byte(name)), Data: json.RawMessage(data)}
}

// locked are the options of a journal whose data is sealed.
var locked = Options{Key: []byte("0123456789abcdef0123456789abcdef")}

func mustOpen(t testing.TB, dir string) *Journal {
	t.Helper()
	j, err := Open(dir, locked)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func reopen(t testing.TB, j *Journal) *Journal {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, j.dir)
}

func put(t testing.TB, j *Journal, records ...Record) {
	t.Helper()
	if err := j.Put(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
}

func logSize(t testing.TB, j *Journal) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(j.dir, logName))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

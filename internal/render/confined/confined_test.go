package confined_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/confined"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/test/rendertest"
)

func TestMain(m *testing.M) {
	rendertest.Main(m, evaluators)
}

// evaluators are what the process of these tests does.
var evaluators = map[string]confined.Evaluator{
	"read": func(files *confined.Files, request []byte) ([]confined.Object, error) {
		var names []string
		if err := json.Unmarshal(request, &names); err != nil {
			return nil, err
		}
		var objects []confined.Object
		for _, name := range names {
			data, err := files.ReadFile(name)
			if err != nil {
				return nil, fault.New(fault.Invalid, "read", name, errors.Unwrap(err).Error()).WithHint("hint")
			}
			objects = append(objects, confined.Object{File: name, Line: 7, JSON: data})
		}
		return objects, nil
	},
	"walk": func(files *confined.Files, _ []byte) ([]confined.Object, error) {
		var seen []string
		err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
			seen = append(seen, fmt.Sprint(name, " ", entry.IsDir()))
			return err
		})
		if err != nil {
			return nil, err
		}
		return nil, errors.New(strings.Join(seen, ", "))
	},
	"escape": func(*confined.Files, []byte) ([]confined.Object, error) {
		var all []error
		_, err := os.Open("/etc/passwd")
		all = append(all, err)
		_, err = os.ReadDir("/")
		all = append(all, err)
		all = append(all, os.WriteFile(os.TempDir()+"/setpoint-escaped", nil, 0o600))
		_, err = net.Dial("tcp", "127.0.0.1:1")
		all = append(all, err)
		all = append(all, exec.Command("/bin/true").Run())
		for i, err := range all {
			if err == nil {
				return nil, fmt.Errorf("attempt %d works", i)
			}
		}
		if len(os.Environ()) > 1 {
			return nil, fmt.Errorf("environment: %v", os.Environ())
		}
		return nil, nil
	},
	"memory": func(*confined.Files, []byte) ([]confined.Object, error) {
		var kept [][]byte
		for {
			kept = append(kept, make([]byte, 1<<20))
			for i := range kept[len(kept)-1] {
				kept[len(kept)-1][i] = 1
			}
		}
	},
	"one large": func(*confined.Files, []byte) ([]confined.Object, error) {
		return []confined.Object{{JSON: make([]byte, 1<<40)}}, nil
	},
	"time": func(*confined.Files, []byte) ([]confined.Object, error) {
		for i := 0; ; i++ {
		}
	},
	"sleep": func(*confined.Files, []byte) ([]confined.Object, error) { select {} },
	"stack": func(*confined.Files, []byte) ([]confined.Object, error) {
		return nil, fmt.Errorf("%d", deep(1))
	},
	"panic": func(*confined.Files, []byte) ([]confined.Object, error) { panic("no") },
	"exit":  func(*confined.Files, []byte) ([]confined.Object, error) { os.Exit(0); return nil, nil },
	"again": func(files *confined.Files, _ []byte) ([]confined.Object, error) {
		for i := range 1000 {
			if _, err := files.ReadFile("a"); err != nil {
				return nil, err
			}
			if _, err := files.ReadFile(fmt.Sprint("missing ", i)); !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		return nil, nil
	},
	"objects": func(_ *confined.Files, request []byte) ([]confined.Object, error) {
		var n int
		if err := json.Unmarshal(request, &n); err != nil {
			return nil, err
		}
		objects := make([]confined.Object, n)
		for i := range objects {
			objects[i].JSON = fmt.Appendf(nil, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"n%d"}}`, i)
		}
		return objects, nil
	},
}

func deep(n int) int {
	if n < 0 { // never: it is the stack that ends
		return 0
	}
	var room [4096]byte
	room[n%4096] = byte(n)
	return deep(n+1) + int(room[0])
}

const object = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}`

func job(kind string, request any) confined.Job {
	files := memory.New(state.Revision{ID: "1"}, map[string]string{"a": object, "dir/b": "{}", "dir/sub/c": "[]"})
	return confined.Job{Kind: kind, At: "at", Request: request, Files: render.Record(files)}
}

func TestObjectsComeWithTheirOrigin(t *testing.T) {
	found, err := confined.Run(t.Context(), job("read", []string{"a"}))
	if err != nil || len(found) != 1 || found[0].Object.ID().Name != "x" || found[0].Object.Origin().String() != "a:7" {
		t.Errorf("%v %v", found, err)
	}
}

func TestErrorsComeWhole(t *testing.T) {
	for name, want := range map[string]string{
		"missing": "read missing: file does not exist", "dir": "read dir: it is a directory", "../x": "read ../x: invalid argument",
		"dir/b": "render dir/b:7: apiVersion is missing",
	} {
		_, err := confined.Run(t.Context(), job("read", []string{name}))
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
		if strings.HasPrefix(want, "read") && fault.HintOf(err) != "hint" {
			t.Errorf("%s: hint %q", name, fault.HintOf(err))
		}
	}
	_, err := confined.Run(t.Context(), job("read", []string{"dir/sub/c"}))
	if fault.KindOf(err) != fault.Internal {
		t.Errorf("an object that is none: %v", err)
	}
	_, err = confined.Run(t.Context(), job("walk", nil))
	if want := "evaluate at: . true, a false, dir true, dir/b false, dir/sub true, dir/sub/c false"; err == nil || err.Error() != want {
		t.Error(err)
	}
}

func TestNothingElseCanBeReached(t *testing.T) {
	if _, err := confined.Run(t.Context(), job("escape", nil)); err != nil {
		t.Error(err)
	}
}

func TestLimits(t *testing.T) {
	small := confined.Limits{CPU: time.Second, Time: time.Minute, Memory: 256 << 20, Reads: 100, ReadBytes: 1 << 20, Objects: 10, ObjectBytes: 1 << 20}
	bytes, short, patient := small, small, small
	patient.CPU = time.Minute
	bytes.ObjectBytes = 100
	short.Time = time.Second
	for _, test := range []struct {
		kind    string
		request any
		limits  confined.Limits
		want    string
	}{
		{"memory", nil, patient, "256 MiB of memory"},
		{"one large", nil, small, "256 MiB of memory"},
		{"time", nil, small, "1 s of processor time"},
		{"sleep", nil, short, "longer than 1 s"},
		{"stack", nil, patient, "calls itself without end"},
		{"again", nil, small, "more than 100 files"},
		{"objects", 11, small, "more than 10 objects"},
		{"objects", 2, bytes, "longer than 0 MiB"},
		{"panic", nil, small, "gives up"},
	} {
		one := job(test.kind, test.request)
		one.Limits = test.limits
		_, err := confined.Run(t.Context(), one)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v %v", test.kind, fault.KindOf(err), err)
		}
	}
	one := job("objects", 10)
	one.Limits = small
	if found, err := confined.Run(t.Context(), one); err != nil || len(found) != 10 {
		t.Errorf("%d objects, %v", len(found), err)
	}
	for _, kind := range []string{"exit", "unknown"} {
		if _, err := confined.Run(t.Context(), job(kind, nil)); fault.KindOf(err) != fault.Internal {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestTheContextEndsIt(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := confined.Run(ctx, job("sleep", nil)); fault.KindOf(err) != fault.Transient {
		t.Error(err)
	}
	if _, err := confined.Run(ctx, job("objects", 1)); fault.KindOf(err) != fault.Transient {
		t.Error(err)
	}
}

// broken is an artifact whose store has failed.
type broken struct{ source.Artifact }

func (broken) ReadFile(string) ([]byte, error) {
	return nil, fault.New(fault.Transient, "read", "x", "the disk is gone")
}

func TestAStoreThatFailsIsNotTheProgramsFault(t *testing.T) {
	one := job("read", []string{"a"})
	one.Files = render.Record(broken{memory.New(state.Revision{ID: "1"}, nil)})
	if _, err := confined.Run(t.Context(), one); fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), "disk") {
		t.Error(err)
	}
}

func BenchmarkRun(b *testing.B) {
	for b.Loop() {
		if _, err := confined.Run(b.Context(), job("objects", 1)); err != nil {
			b.Fatal(err)
		}
	}
}

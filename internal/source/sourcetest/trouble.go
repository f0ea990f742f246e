package sourcetest

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
)

func links(t *testing.T, s Site) {
	if traitsOf(s).NoLinks {
		return
	}
	s.Write(map[string]string{"a/x": "1", "deep/er/y": "2"})
	s.Link("in", "a/x")
	s.Link("deep/er/up", "../../a")
	s.Link("round", "about")
	s.Link("about", "round")
	s.Link("nowhere", "a/none")
	refused := map[string][]string{"round": {"round"}}
	outside := map[string]string{"out": "../outside", "deep/er/out": "../../../etc/passwd", "absolute": "/etc/passwd"}
	if traitsOf(s).StrictLinks {
		linksOutside(t, s, outside)
	} else {
		for path, target := range outside {
			s.Link(path, target)
			refused[path] = []string{path, target}
		}
		s.Link("chain", "deep/er/out")
		refused["chain"] = refused["deep/er/out"]
	}
	a, _ := Pull(t, s.Upstream(source.DefaultLimits), nil)
	content(t, a, "in", "1")
	content(t, a, "deep/er/up/x", "1")
	for path, names := range refused {
		_, err := a.Open(path)
		linkRefused(t, err, names...)
	}
	if _, err := a.ReadFile("nowhere"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link to nothing: %v", err)
	}
	content(t, a, "a/x", "1")
}

// linksOutside checks that each link that leads outside is refused with everything else, and named.
func linksOutside(t *testing.T, s Site, links map[string]string) {
	t.Helper()
	for path, target := range links {
		s.Link(path, target)
		linkRefused(t, Refuse(t, s.Upstream(source.DefaultLimits), nil, fault.Invalid), path, target)
		s.Delete(path)
	}
}

func linkRefused(t *testing.T, err error, names ...string) {
	t.Helper()
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("%s: %v of kind %s", names[0], err, fault.KindOf(err))
		return
	}
	for _, name := range names {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
}

func limits(t *testing.T, s Site) {
	good := s.Write(map[string]string{"a": "1", "b": "1"})
	for name, c := range map[string]struct {
		limits source.Limits
		word   string
	}{
		"count": {source.Limits{Files: 3, FileSize: 1 << 20, Bytes: 1 << 30}, "4"},
		"size":  {source.Limits{Files: 100, FileSize: 1000, Bytes: 1 << 30}, "big/data.bin has 5000 bytes"},
		"sum":   {source.Limits{Files: 100, FileSize: 1 << 20, Bytes: 9000}, strconv.Itoa(10002 + traitsOf(s).Extra)},
	} {
		t.Run(name, func(t *testing.T) {
			u := s.Upstream(c.limits)
			first, _ := Pull(t, u, nil)
			s.Write(map[string]string{"big/data.bin": strings.Repeat("x", 5000), "big/more.bin": strings.Repeat("y", 5000)})
			err := Refuse(t, u, first, fault.Invalid)
			if !strings.Contains(err.Error(), c.word) {
				t.Errorf("%q does not say %q", err, c.word)
			}
			again := Refuse(t, u, first, fault.Invalid)
			if again.Error() != err.Error() {
				t.Errorf("first %q, then %q", err, again)
			}
			revision(t, u.Last(), good)
			good = s.Delete("big/data.bin", "big/more.bin")
			after, _ := Pull(t, u, first)
			revision(t, after, good)
		})
	}
}

func removed(t *testing.T, s Site) {
	s.Write(map[string]string{"a": "1"})
	u := s.Upstream(source.DefaultLimits)
	known, _ := Pull(t, u, nil)
	s.Remove()
	err := Refuse(t, u, known, fault.NotFound)
	if fault.HintOf(err) == "" {
		t.Errorf("%q has no hint", err)
	}
	content(t, u.Last(), "a", "1")
}

func outlives(t *testing.T, s Site) {
	s.Write(map[string]string{"a": "1"})
	u := s.Upstream(source.DefaultLimits)
	if u.Last() != nil {
		t.Fatal("there is a last artifact before any pull")
	}
	known, _ := Pull(t, u, nil)
	s.Stop()
	_, _, err := u.Pull(context.Background(), known)
	if kind := fault.KindOf(err); kind != fault.Transient && kind != fault.NotFound {
		t.Fatalf("got %v of kind %s", err, kind)
	}
	again := Refuse(t, u, known, fault.KindOf(err))
	if err.Error() != again.Error() {
		t.Errorf("first %q, then %q", err, again)
	}
	restarted := s.Upstream(source.DefaultLimits)
	content(t, restarted.Last(), "a", "1")
	revision(t, restarted.Last(), known.Revision().ID)
	s.Start()
	two := s.Write(map[string]string{"a": "2"})
	after, _ := Pull(t, restarted, restarted.Last())
	revision(t, after, two)
}

func ended(t *testing.T, s Site) {
	s.Write(map[string]string{"a": "1"})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := s.Upstream(source.DefaultLimits).Pull(ctx, nil); fault.KindOf(err) != fault.Transient {
		t.Fatalf("got %v of kind %s", err, fault.KindOf(err))
	}
}

func concurrent(t *testing.T, s Site) {
	s.Write(map[string]string{"a": "0", "b": strings.Repeat("b", 1000)})
	u := s.Upstream(source.DefaultLimits)
	first, _ := Pull(t, u, nil)
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for range 50 {
				if data, err := first.ReadFile("a"); err != nil || string(data) != "0" {
					t.Errorf("got %q and error %v", data, err)
				}
				if _, err := first.ReadDir("."); err != nil {
					t.Error(err)
				}
			}
		})
	}
	known := first
	for i := range 5 {
		s.Write(map[string]string{"a": strings.Repeat("1", i+1)})
		known, _ = Pull(t, u, known)
	}
	running.Wait()
	content(t, known, "a", "11111")
}

package supervise

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestExpand(t *testing.T) {
	env := []string{"NAME=first", "NAME=value", "EMPTY=", "PORT=8080"}
	for _, test := range []struct {
		word, want, refused string
	}{
		{word: "plain", want: "plain"},
		{word: "$NAME", want: "value"},
		{word: "a${NAME}b$PORT", want: "avalueb8080"},
		{word: "$$NAME", want: "$NAME"},
		{word: "x$EMPTY", want: "x"},
		{word: "100$", want: "100$"},
		{word: "$OTHER", refused: "argument 1 of the command: $OTHER is not set (write $$ for a dollar sign)"},
		{word: "$1", refused: "argument 1 of the command: $1 is not set (write $$ for a dollar sign)"},
	} {
		argv, err := expand([]string{"run", test.word}, env)
		if err != nil && err.Error() != test.refused || err == nil && (test.refused != "" || argv[1] != test.want) {
			t.Errorf("%q: %q, %v", test.word, argv, err)
		}
	}
}

func TestParseStat(t *testing.T) {
	line := "42 (a) b (c)) S 7 41 40 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 1000 10"
	if got, ok := parseStat(42, []byte(line)); !ok || got != (task{pid: 42, parent: 7, session: 40, start: 123456}) {
		t.Errorf("%+v %v", got, ok)
	}
	if got, ok := parseStat(42, []byte(strings.Replace(line, ") S", ") Z", 1))); !ok || !got.dead {
		t.Errorf("%+v %v", got, ok)
	}
	for _, broken := range []string{"", "42", "42 (x) S 1", "42 (x) S a 1 b 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 c"} {
		if got, ok := parseStat(42, []byte(broken)); ok {
			t.Errorf("%q: %+v", broken, got)
		}
	}
}

func TestGroupMount(t *testing.T) {
	for name, test := range map[string]struct{ mounts, mount, root string }{
		"unified": {"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 none rw\n", "/sys/fs/cgroup", ""},
		"nested":  {"30 23 0:26 /a/b /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "/sys/fs/cgroup", "/a/b"},
		"none":    {"30 23 0:26 / /proc rw - proc none rw\n", "", ""},
		"broken":  {"cgroup2\n", "", ""},
	} {
		if mount, root := groupMount(test.mounts); mount != test.mount || root != test.root {
			t.Errorf("%s: %q %q", name, mount, root)
		}
	}
	if missing := missingControllers("cpuset memory pids\n"); !slices.Equal(missing, []string{"cpu"}) {
		t.Errorf("missing %v", missing)
	}
}

// TestCutterLosesNothing: however a stream is cut into reads, its lines come out whole and in order, and what is left in the FIFO is
// never part of a line that has come out.
func TestCutterLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := rapid.SliceOfN(rapid.SampledFrom([]byte("ab\n")), 0, 200).Draw(t, "stream")
		var got []string
		emit := func(text string) { got = append(got, text) }
		var c cutter
		for rest := stream; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "read")
			taken := c.take(rest[:n], emit)
			if taken < 1 || taken > n {
				t.Fatalf("took %d of %d", taken, n)
			}
			if taken < n && rest[taken-1] != '\n' {
				t.Fatalf("left the middle of a line")
			}
			rest = rest[taken:]
		}
		c.finish(emit)
		want := strings.Split(string(stream), "\n")
		if want[len(want)-1] == "" {
			want = want[:len(want)-1]
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

func TestLongAndBrokenLines(t *testing.T) {
	var got []string
	emit := func(text string) { got = append(got, text) }
	var c cutter
	c.take([]byte(strings.Repeat("x", maxLine+10)+"\nbad \xff\xfe byte\n"), emit)
	if len(got) != 3 || len(got[0]) != maxLine || len(got[1]) != 10 || got[2] != "bad \uFFFD byte" {
		t.Errorf("%d lines: %.20q", len(got), got)
	}
}

func TestTailIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var kept tail
		var all []string
		for range rapid.IntRange(0, 60).Draw(t, "lines") {
			line := strings.Repeat("é", rapid.IntRange(0, 3000).Draw(t, "length"))
			kept.add(line)
			all = append(all, line)
		}
		got := kept.get()
		size := 0
		for i, line := range got {
			size += len(line)
			if whole := all[len(all)-len(got)+i]; !strings.HasPrefix(whole, line) {
				t.Fatalf("line %d is another", i)
			}
		}
		if len(got) > tailLines || size > tailBytes {
			t.Fatalf("%d lines, %d bytes", len(got), size)
		}
	})
}

// TestHealth: a process turns healthy after exactly so many successes in a row, and unhealthy after exactly so many failures, or at once
// when it stops listening; that it was healthy once is never forgotten.
func TestHealth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		check := Check{Healthy: rapid.IntRange(0, 4).Draw(t, "healthy"), Unhealthy: rapid.IntRange(0, 4).Draw(t, "unhealthy")}.withDefaults()
		var h health
		var good, bad int
		var healthy, ever bool
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "event") {
			case 0:
				h = h.deaf(20001)
				good, bad, healthy = 0, bad+1, false
			case 1, 2:
				h = h.after("GET /: 503", check)
				good, bad = 0, bad+1
				healthy = healthy && bad < check.Unhealthy
			default:
				h = h.after("", check)
				good, bad = good+1, 0
				healthy = healthy || good >= check.Healthy
			}
			ever = ever || healthy
			if h.Healthy != healthy || h.Ever != ever || (h.Failing == "") != (bad == 0) {
				t.Fatalf("%+v; want healthy %v, ever %v", h, healthy, ever)
			}
		}
	})
}

func TestPause(t *testing.T) {
	check := Check{Interval: 10 * time.Second}.withDefaults()
	var h health
	last := time.Duration(0)
	for range 20 {
		next := h.pause(last, check)
		if next < firstPause || next > longestPause || next < last {
			t.Fatalf("%s after %s", next, last)
		}
		last = next
	}
	if got := (health{Ever: true}).pause(last, check); got != check.Interval {
		t.Errorf("%s", got)
	}
}

func TestIDs(t *testing.T) {
	good := ProcessID{App: "shop", Release: 3, Type: "web", Index: 1, Launch: 7}
	if good.String() != "shop/3/web.1/7" || good.Replica() != "web.1" || good.fileName() != "shop_3_web.1_7" || good.check() != nil {
		t.Errorf("%s %s %s", good, good.Replica(), good.fileName())
	}
	for _, bad := range []ProcessID{{}, {App: "../x", Type: "web"}, {App: "a", Type: "w/b"}, {App: "a_b", Type: "w"}, {App: "a", Type: "b", Index: -1}} {
		if bad.check() == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
	if good.Compare(ProcessID{App: "shop", Release: 3, Type: "web", Index: 2}) >= 0 || good.Compare(good) != 0 {
		t.Error("the order is another")
	}
}

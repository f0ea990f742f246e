package logs

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"pgregory.net/rapid"
)

func TestLinesAreMergedByTime(t *testing.T) {
	dir := t.TempDir()
	web, worker := newWriter(t, in(dir, "web"), 0, 3), newWriter(t, in(dir, "worker"), 0, 3)
	write(t, web, at(1, "web.1", "b"), at(4, "web.2", "e"), at(5, "web.1", "f"))
	write(t, worker, at(0, "worker.1", "a"), at(2, "worker.1", "c"), at(3, "worker.2", "d"), at(6, "worker.1", "g"))
	appendTo(t, in(dir, "a file"), "nobody's")
	appendTo(t, in(dir, "web", "00000001.log.gz"), "nobody's")
	for _, test := range []struct {
		query v1alpha1.LogQuery
		want  string
	}{
		{v1alpha1.LogQuery{}, "abcdefg"},
		{v1alpha1.LogQuery{Process: "web"}, "bef"},
		{v1alpha1.LogQuery{Process: "web.1"}, "bf"},
		{v1alpha1.LogQuery{Process: "web.11"}, ""},
		{v1alpha1.LogQuery{Process: "we"}, ""},
		{v1alpha1.LogQuery{Process: "../web"}, ""},
		{v1alpha1.LogQuery{Tail: 3}, "efg"},
		{v1alpha1.LogQuery{Tail: 100}, "abcdefg"},
		{v1alpha1.LogQuery{Tail: 1, Process: "web.2"}, "e"},
		{v1alpha1.LogQuery{Since: dawn.Add(3 * time.Millisecond)}, "defg"},
		{v1alpha1.LogQuery{Since: dawn.Add(3 * time.Millisecond), Tail: 2}, "fg"},
		{v1alpha1.LogQuery{Since: dawn.Add(5 * time.Millisecond), Tail: 10}, "fg"},
		{v1alpha1.LogQuery{Since: dawn.Add(time.Hour)}, ""},
		{v1alpha1.LogQuery{Since: dawn.Add(time.Hour), Tail: 3}, ""},
	} {
		if got := strings.Join(texts(read(t, dir, test.query)), ""); got != test.want {
			t.Errorf("%+v: %s, want %s", test.query, got, test.want)
		}
	}
	if got := read(t, in(dir, "nowhere"), v1alpha1.LogQuery{Tail: 3}); got != nil {
		t.Errorf("logs that are not there have lines: %v", got)
	}
}

func TestTailOfOneProcess(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, MinSize, 100)
	for i := range 1000 {
		write(t, w, at(i, "web."+string(rune('1'+i%2)), numbered(i)))
	}
	other := at(0, "web.1", "of another release")
	other.Release = 4
	write(t, w, other)
	if got := Tail(dir, "web.1", 3, 3); !slices.Equal(got, []string{numbered(994), numbered(996), numbered(998)}) {
		t.Errorf("%q", got)
	}
	if got := Tail(dir, "web.1", 3, 1000); len(got) != 500 || got[0] != numbered(0) {
		t.Errorf("%d lines", len(got))
	}
	if got := Tail(in(dir, "nowhere"), "web.1", 3, 3); len(got) != 0 {
		t.Errorf("%q", got)
	}
	if got := Tail(dir, "web.1", 3, 0); len(got) != 0 {
		t.Errorf("%q, want none", got)
	}
}

func TestSinceSkipsWholeFiles(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, in(dir, "web"), MinSize, 100)
	for i := range 1000 {
		write(t, w, at(i*1000, "web.1", numbered(i)))
	}
	s, err := openStream(in(dir, "web"), v1alpha1.LogQuery{Since: dawn.Add(500 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if s.number == 1 {
		t.Error("nothing is skipped")
	}
	if got := texts(read(t, dir, v1alpha1.LogQuery{Since: dawn.Add(500 * time.Second)})); len(got) != 500 || got[0] != numbered(500) {
		t.Errorf("%d lines, want the last 500", len(got))
	}
}

// TestFollowThroughRotation: no line is lost and none comes twice, whatever is written in between.
func TestFollowThroughRotation(t *testing.T) {
	const lines, before = 10_000, 300
	dir := t.TempDir()
	w := newWriter(t, in(dir, "web"), 32<<10, 1000)
	for i := range before {
		write(t, w, at(i, "web.1", numbered(i)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writing sync.WaitGroup
	next, others := before-20, 0
	started := make(chan struct{})
	writing.Go(func() {
		<-started
		late := newWriter(t, in(dir, "late"), 0, 1) // a process type that begins while somebody follows
		for i := before; i < lines; i++ {
			write(t, w, at(i, "web.1", numbered(i)))
			if i%1000 == 0 {
				write(t, late, at(i, "late.1", numbered(i)))
			}
		}
	})
	err := Read(ctx, dir, v1alpha1.LogQuery{Tail: 20, Follow: true}, func(l v1alpha1.LogLine) error {
		if next == before-20 {
			close(started)
		}
		if l.Process == "late.1" {
			others++
		} else if l.Text != numbered(next) {
			return errors.New(l.Text + " instead of " + numbered(next))
		} else {
			next++
		}
		if next == lines && others == (lines-before)/1000 {
			cancel()
		}
		return nil
	})
	writing.Wait()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v after %d lines", err, next)
	}
}

// TestFollowFromNothing: an app whose first line is yet to come can be followed.
func TestFollowFromNothing(t *testing.T) {
	dir := in(t.TempDir(), "shop")
	done := errors.New("enough")
	var reading sync.WaitGroup
	reading.Go(func() {
		got := ""
		err := Read(t.Context(), dir, v1alpha1.LogQuery{Follow: true}, func(l v1alpha1.LogLine) error {
			if got += l.Text; got == "ab" {
				return done
			}
			return nil
		})
		if !errors.Is(err, done) {
			t.Errorf("%v %q", err, got)
		}
	})
	w := newWriter(t, in(dir, "web"), 0, 1)
	write(t, w, at(0, "web.1", "a"), at(1, "web.1", "b"))
	reading.Wait()
}

// TestAReaderThatIsOvertaken goes on with what is still there.
func TestAReaderThatIsOvertaken(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, in(dir, "web"), MinSize, 1)
	for i := range 40 {
		write(t, w, at(i, "web.1", numbered(i)))
	}
	last := ""
	first := true
	err := Read(t.Context(), dir, v1alpha1.LogQuery{Follow: true}, func(l v1alpha1.LogLine) error {
		if first {
			first = false
			for i := 40; i < 2000; i++ {
				write(t, w, at(i, "web.1", numbered(i)))
			}
		}
		if l.Text <= last {
			t.Errorf("%s after %s", l.Text, last)
		}
		if last = l.Text; last == numbered(1999) {
			return fs.SkipAll
		}
		return nil
	})
	if !errors.Is(err, fs.SkipAll) {
		t.Error(err)
	}
}

// TestReadingIsLikeAModel compares what is read with what was written, for any order of writing, opening again and asking.
func TestReadingIsLikeAModel(t *testing.T) {
	root := t.TempDir()
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		dir := in(root, numbered(round))
		kinds := []string{"web", "worker"}
		files := rapid.IntRange(0, 3).Draw(r, "files")
		all := map[string][]v1alpha1.LogLine{}
		for step := range rapid.IntRange(0, 200).Draw(r, "lines") {
			kind := rapid.SampledFrom(kinds).Draw(r, "kind")
			line := at(step*100, kind+"."+rapid.SampledFrom([]string{"1", "2"}).Draw(r, "index"), strings.Repeat("x", rapid.IntRange(0, 400).Draw(r, "length")))
			w, err := OpenWriter(WriterOptions{Dir: in(dir, kind), Size: MinSize, Files: files})
			if err == nil {
				err = errors.Join(w.Write(line), w.Close())
			}
			if err != nil {
				r.Fatal(err)
			}
			all[kind] = append(all[kind], line)
		}
		var kept []v1alpha1.LogLine
		for _, kind := range kinds {
			lines := read(t, dir, v1alpha1.LogQuery{Process: kind})
			if sum, _ := bytesIn(t, in(dir, kind)); sum > MinSize*int64(files+1) {
				r.Fatalf("%d bytes are kept", sum)
			}
			if len(lines) > len(all[kind]) || !slices.Equal(lines, all[kind][len(all[kind])-len(lines):]) {
				r.Fatalf("what is read of %s is no end of what was written", kind)
			}
			kept = append(kept, lines...)
		}
		slices.SortStableFunc(kept, func(a, b v1alpha1.LogLine) int { return a.Time.Compare(b.Time) })
		query := v1alpha1.LogQuery{
			Process: rapid.SampledFrom([]string{"", "web", "web.1", "worker.2", "nobody"}).Draw(r, "process"),
			Tail:    rapid.IntRange(0, 50).Draw(r, "tail"),
		}
		if rapid.Bool().Draw(r, "since") {
			query.Since = dawn.Add(time.Duration(rapid.IntRange(0, 20_000).Draw(r, "ms")) * time.Millisecond)
		}
		want := slices.DeleteFunc(kept, func(l v1alpha1.LogLine) bool {
			return !wants(query.Process, l.Process) || l.Time.Before(query.Since)
		})
		if query.Tail > 0 {
			want = want[max(0, len(want)-query.Tail):]
		}
		if got := read(t, dir, query); !slices.Equal(got, want) {
			r.Fatalf("%+v gives %d lines, want %d", query, len(got), len(want))
		}
	})
}

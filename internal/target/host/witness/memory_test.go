package witness

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMemoryKeepsTheLastOfEach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, model, now := newMemory(), map[spot]record{}, time.Unix(0, 0)
		spots := rapid.Custom(func(t *rapid.T) spot {
			return spot{dir: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "dir"), name: rapid.SampledFrom([]string{"x", "y", "."}).Draw(t, "name")}
		})
		t.Repeat(map[string]func(*rapid.T){
			"note": func(t *rapid.T) {
				r := record{spot: spots.Draw(t, "spot"), who: culprit{command: rapid.StringMatching("[a-z]").Draw(t, "who")}, when: now}
				m.note(r)
				model[r.spot] = r
			},
			"forget a directory": func(t *rapid.T) {
				dir := spots.Draw(t, "spot").dir
				m.forgetDir(dir)
				for at := range model {
					if at.dir == dir {
						delete(model, at)
					}
				}
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(maxAge)).Draw(t, "time")))
			},
			"find": func(t *rapid.T) {
				at := spots.Draw(t, "spot")
				want, known := model[at]
				known = known && now.Sub(want.when) <= maxAge
				got, ok := m.find(at, now)
				if want.order = got.order; ok != known || ok && got != want {
					t.Fatalf("%+v %t, want %+v %t", got, ok, want, known)
				}
			},
			"": func(t *rapid.T) {
				if m.byAge.Len() != len(m.spots) {
					t.Fatalf("%d in order, %d by spot", m.byAge.Len(), len(m.spots))
				}
			},
		})
	})
}

func TestMemoryIsBounded(t *testing.T) {
	m, now := newMemory(), time.Unix(0, 0)
	at := func(i int) spot { return spot{dir: "d", name: fmt.Sprint(i)} }
	for i := range maxRecords + 10 {
		m.note(record{spot: at(i), when: now})
		m.note(record{spot: at(0), when: now}) // the oldest is what was changed longest ago
	}
	if m.byAge.Len() != maxRecords {
		t.Errorf("%d records, want %d", m.byAge.Len(), maxRecords)
	}
	for i, want := range map[int]bool{0: true, 1: false, 10: false, 11: true, maxRecords + 9: true} {
		if _, ok := m.find(at(i), now); ok != want {
			t.Errorf("%d is known: %t, want %t", i, ok, want)
		}
	}
}

func TestPace(t *testing.T) {
	var p pace
	now := time.Unix(1_000_000, 0)
	looks := func(during time.Duration) int { // as fast as may be
		n, until := 0, now.Add(during)
		for ; now.Before(until); n++ {
			now = now.Add(10*time.Microsecond + p.next(now))
		}
		return n
	}
	for i := range burst / perLook {
		if pause := p.next(now); pause > 0 {
			t.Fatalf("look %d waits for %v", i, pause)
		}
	}
	if n := looks(10 * time.Second); n > 1001 {
		t.Errorf("%d looks in ten seconds, want 1000", n)
	}
	now = now.Add(time.Hour)
	if n := looks(time.Second); n > 302 {
		t.Errorf("%d looks in a second after an hour, want 300", n)
	}
}

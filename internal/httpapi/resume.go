package httpapi

import (
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// overlap is how far behind the newest line a follower asks again after a loss: lines of several processes reach it slightly out of the
// order of their times, so the last line that it saw does not say that it saw all before.
const overlap = 5 * time.Second

// reader is where a follower of an App's output is, so that it can go on after a loss without a lost or doubled line. Lines of one
// process, release and stream come in order, so for each of those the last line that was seen tells seen from new.
type reader struct {
	query  v1alpha1.LogQuery
	first  time.Time // of the oldest line seen
	newest time.Time
	seen   map[writer]position
	again  map[writer]position // positions at the last loss, of those writers that have not passed them yet
	lost   bool
}

// writer is what writes lines in order.
type writer struct {
	process string
	release int
	stream  string
}

// position is the last line that was seen of a writer: its time, and how many with exactly that time were seen.
type position struct {
	at    time.Time
	lines int
}

// next gives what to ask for: at first what was wanted, after a loss what may have been missed. Nothing was missed of what was never
// seen, so then it begins anew.
func (r *reader) next() v1alpha1.LogQuery {
	query := r.query
	if r.newest.IsZero() {
		return query
	}
	from := r.newest.Add(-overlap)
	r.lost, r.again = true, map[writer]position{}
	for w, p := range r.seen {
		if p.at.Before(from) {
			delete(r.seen, w) // what it wrote before is not asked for
			continue
		}
		r.again[w] = p
	}
	if query.Since.Before(from) {
		query.Since = from
	}
	query.Tail = 0
	return query
}

// fresh says whether a line was not seen before, and remembers it.
func (r *reader) fresh(line v1alpha1.LogLine) bool {
	w := writer{line.Process, line.Release, line.Stream}
	if r.lost && r.known(w, line.Time) {
		return false
	}
	if p := r.seen[w]; p.at.Equal(line.Time) {
		r.seen[w] = position{p.at, p.lines + 1}
	} else {
		r.seen[w] = position{line.Time, 1}
	}
	if r.first.IsZero() || line.Time.Before(r.first) {
		r.first = line.Time
	}
	if line.Time.After(r.newest) {
		r.newest = line.Time
	}
	return true
}

// known says whether a line that came after a loss had come before it.
func (r *reader) known(w writer, at time.Time) bool {
	p, behind := r.again[w]
	switch {
	case !behind:
		return r.query.Tail > 0 && at.Before(r.first) // left out by the tail that was asked for
	case at.Before(p.at):
		return true
	case at.Equal(p.at) && p.lines > 0:
		r.again[w] = position{p.at, p.lines - 1}
		return true
	}
	delete(r.again, w) // its lines are new from here on
	return false
}

package helm

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// freshFor is how long a look at a repository counts for all its charts.
	freshFor = 5 * time.Second
	// keptFor is how long an index is kept that nobody looks at. It is longer than most sources' intervals.
	keptFor = 75 * time.Minute
	// maxKept is the number of versions in all indexes that are kept: some 150 MiB of memory.
	maxKept = 500_000
)

// Indexes holds the indexes of repositories for all upstreams of an agent, so that the charts of one repository cost one request. An index
// that nobody looks at any more is dropped, as is the one that was not looked at for longest while there are too many. Safe for concurrent
// use.
type Indexes struct {
	mu    sync.Mutex
	known map[string]*repository
	fresh time.Duration
	kept  time.Duration
	limit int
}

// NewIndexes holds no index yet.
func NewIndexes() *Indexes {
	return &Indexes{known: map[string]*repository{}, fresh: freshFor, kept: keptFor, limit: maxKept}
}

// repository is what is known of one repository, with one set of credentials.
type repository struct {
	turn chan struct{} // holds one while somebody asks the server; guards what follows
	last look
	// What the server said of the index by which it tells whether there is another: "" for nothing.
	etag, modified string

	// Guarded by the Indexes.
	used  time.Time
	count int // of versions
	drop  *time.Timer
}

// look is the outcome of asking a server.
type look struct {
	found found
	err   error
	ended time.Time
}

// found is an index with the answer that it came in or was confirmed by, from which the URLs in it are followed.
type found struct {
	index  *index
	answer *http.Response
}

// asking is a request for an index; validators go with it, so that the server can answer that nothing is new.
type asking func(ctx context.Context, validators http.Header) (*http.Response, error)

// get gives the index of a repository, as it is now or was a moment ago. Whoever comes while another one asks waits for that answer. An
// error counts for as long as an index does: a hundred charts of a repository that is away do not ask it a hundred times.
func (x *Indexes) get(ctx context.Context, key string, ask asking) (found, error) {
	r := x.repository(key)
	came := time.Now()
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return found{}, ctx.Err()
	}
	if ended := r.last.ended; !ended.IsZero() && (time.Since(ended) < x.fresh || ended.After(came) && x.fresh > 0) {
		return r.last.found, r.last.err
	}
	now, err := r.look(ctx, ask)
	if ctx.Err() != nil && err != nil {
		return found{}, err // the end of one's own time says nothing to others
	}
	if err == nil {
		r.last.found = now
	}
	r.last.err, r.last.ended = err, time.Now()
	x.note(key, r)
	return now, err
}

// repository finds or makes a repository, and puts off that it is dropped.
func (x *Indexes) repository(key string) *repository {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.known[key]
	if r == nil {
		r = &repository{turn: make(chan struct{}, 1)}
		r.drop = time.AfterFunc(x.kept, func() { x.remove(key, r) })
		x.known[key] = r
	}
	r.used = time.Now()
	r.drop.Reset(x.kept)
	return r
}

func (x *Indexes) remove(key string, r *repository) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.known[key] == r {
		r.drop.Stop()
		delete(x.known, key)
	}
}

// note counts what a look has brought, and drops what was not used for longest while there is too much.
func (x *Indexes) note(key string, r *repository) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r.count = 0
	if r.last.found.index != nil {
		r.count = r.last.found.index.count
	}
	keys, total := make([]string, 0, len(x.known)), 0
	for other, known := range x.known {
		total += known.count
		if other != key {
			keys = append(keys, other)
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(x.known[a].used.Compare(x.known[b].used), cmp.Compare(a, b)) })
	for _, oldest := range keys {
		if total <= x.limit {
			return
		}
		total -= x.known[oldest].count
		x.known[oldest].drop.Stop()
		delete(x.known, oldest)
	}
}

// look asks the server whether there is another index than the one that is known.
func (r *repository) look(ctx context.Context, ask asking) (found, error) {
	known := r.last.found.index
	validators := http.Header{}
	if known != nil && r.etag != "" {
		validators.Set("If-None-Match", r.etag)
	}
	if known != nil && r.modified != "" {
		validators.Set("If-Modified-Since", r.modified)
	}
	answer, err := ask(ctx, validators)
	if err != nil {
		return found{}, err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	if answer.StatusCode == http.StatusNotModified {
		if len(validators) == 0 {
			return found{}, notAnIndex("the server says that the index is unchanged, and has not been told of any")
		}
		return found{known, answer}, nil
	}
	index, err := readIndex(answer.Body)
	if err != nil {
		return found{}, err
	}
	r.etag, r.modified = bounded(answer.Header.Get("ETag")), bounded(answer.Header.Get("Last-Modified"))
	return found{index, answer}, nil
}

// bounded gives a header that is short enough to be sent back.
func bounded(value string) string {
	if len(value) > maxText {
		return ""
	}
	return value
}

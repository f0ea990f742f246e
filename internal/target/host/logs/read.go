package logs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// look is how often somebody who follows looks for more.
const look = 100 * time.Millisecond

// Read emits the lines of an app that a query asks for, in the order of their times, from the directory that has one directory for each
// process type. Without Follow it ends with what was there when it began; with it, with ctx, whose error it returns then. An error of emit
// ends it too. It needs the memory of some lines, and the time of those it emits, also when they are the last ones of a gigabyte. Logs that
// are not there have no lines.
func Read(ctx context.Context, dir string, query v1alpha1.LogQuery, emit func(v1alpha1.LogLine) error) error {
	r := &reader{dir: dir, query: query, streams: map[string]*stream{}}
	defer r.close()
	if err := r.discover(); err != nil {
		return err
	}
	if err := r.rewind(); err != nil {
		return err
	}
	for {
		if err := r.drain(ctx, emit); err != nil || !query.Follow {
			return err
		}
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := r.discover(); err != nil {
			return err
		}
	}
}

// A reader merges the streams of an app.
type reader struct {
	dir     string
	query   v1alpha1.LogQuery
	streams map[string]*stream // by process type
	heads   []head             // of the streams, in the order of their types
	skip    int                // lines that are older than the last ones that are asked for
}

// A head is the line of a stream that comes next.
type head struct {
	stream *stream
	line   v1alpha1.LogLine
	full   bool
}

func (r *reader) close() {
	for _, s := range r.streams {
		s.close()
	}
}

// discover opens the streams of process types that were not there before.
func (r *reader) discover() error {
	entries, err := os.ReadDir(r.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.Transient, "read logs in", r.dir, err)
	}
	for _, entry := range entries {
		name := entry.Name()
		asked := r.query.Process == "" || r.query.Process == name || typeOf(r.query.Process) == name
		if !entry.IsDir() || r.streams[name] != nil || !asked {
			continue
		}
		s, err := openStream(filepath.Join(r.dir, name), r.query)
		r.streams[name] = s
		if err != nil {
			return err
		}
		r.heads = append(r.heads, head{stream: s})
	}
	return nil
}

// rewind begins with the last lines, if only they are asked for. Each stream goes back by as many, so that they are among what is read, and
// what comes before them is skipped.
func (r *reader) rewind() error {
	if r.query.Tail <= 0 {
		return nil
	}
	sum := 0
	for _, s := range r.streams {
		n, err := s.rewind(r.query.Tail)
		if err != nil {
			return err
		}
		sum += n
	}
	r.skip = max(0, sum-r.query.Tail)
	return nil
}

// drain emits everything that is there, the oldest line first.
func (r *reader) drain(ctx context.Context, emit func(v1alpha1.LogLine) error) error {
	for {
		oldest, err := r.oldest()
		if err != nil || oldest == nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		oldest.full = false
		if r.skip > 0 {
			r.skip--
			continue
		}
		if err := emit(oldest.line); err != nil {
			return err
		}
	}
}

// oldest gives the head with the oldest line; nil when no stream has any at the moment. An app has few process types, so it looks at all.
func (r *reader) oldest() (*head, error) {
	var oldest *head
	for i := range r.heads {
		h := &r.heads[i]
		if !h.full {
			var err error
			if h.line, h.full, err = h.stream.next(); err != nil {
				return nil, err
			}
		}
		if h.full && (oldest == nil || h.line.Time.Before(oldest.line.Time)) {
			oldest = h
		}
	}
	return oldest, nil
}

// wants says whether a process is asked for, by its name, by its type, or as any.
func wants(asked, process string) bool {
	return asked == "" || asked == process || asked == typeOf(process)
}

// typeOf gives the type of a process: "web" of "web.2". What has no number is a type itself.
func typeOf(process string) string {
	if i := strings.LastIndexByte(process, '.'); i > 0 {
		if _, err := strconv.Atoi(process[i+1:]); err == nil {
			return process[:i]
		}
	}
	return process
}

package supervise

import (
	"sync"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/target/host/logs"
)

// lineWriter is a log that one process writes to. Safe for concurrent use.
type lineWriter interface {
	WriteAll(lines []v1alpha1.LogLine) error
	Close() error
}

// logbook has one writer for each directory of logs, however many processes write to it.
type logbook struct {
	mu      sync.Mutex
	writers map[string]*sharedLog
}

type sharedLog struct {
	*logs.Writer
	users int
}

// A page is one process's share of a log. Closing it closes the log with the last one.
type page struct {
	*logs.Writer
	close func() error
}

// Close implements lineWriter.
func (p page) Close() error { return p.close() }

func newLogbook() *logbook { return &logbook{writers: map[string]*sharedLog{}} }

// open gives the log of a process. The bounds that it was asked for with hold for all that write there.
func (l *logbook) open(spec Process) (lineWriter, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	shared := l.writers[spec.LogDir]
	if shared == nil {
		writer, err := logs.OpenWriter(logs.WriterOptions{Dir: spec.LogDir, Size: spec.LogSize, Files: spec.LogFiles})
		if err != nil {
			return nil, err
		}
		shared = &sharedLog{Writer: writer}
		l.writers[spec.LogDir] = shared
	} else if err := shared.Limit(spec.LogSize, spec.LogFiles); err != nil {
		return nil, err
	}
	shared.users++
	return page{shared.Writer, sync.OnceValue(func() error { return l.release(spec.LogDir) })}, nil
}

func (l *logbook) release(dir string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	shared := l.writers[dir]
	if shared.users--; shared.users > 0 {
		return nil
	}
	delete(l.writers, dir)
	return shared.Close()
}

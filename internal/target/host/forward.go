package host

import (
	"context"
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// logReader hands over lines of an app's output, kept in a directory, until ctx ends.
type logReader func(ctx context.Context, dir string, query v1alpha1.LogQuery, emit func(v1alpha1.LogLine) error) error

// forwarding copies what apps write from now on, a JSON line each. Safe for concurrent use; nil forwards nothing.
type forwarding struct {
	out   io.Writer
	read  logReader
	dirOf func(app string) (string, error)
	pause time.Duration // after an error

	writing sync.Mutex // of out

	mu      sync.Mutex
	ended   bool
	running map[string]context.CancelFunc // by app
	readers sync.WaitGroup
}

func newForwarding(out io.Writer, read logReader, dirOf func(app string) (string, error)) *forwarding {
	if out == nil || read == nil {
		return nil
	}
	return &forwarding{out: out, read: read, dirOf: dirOf, pause: time.Second, running: map[string]context.CancelFunc{}}
}

// begin forwards what an app writes, unless that is done already.
func (f *forwarding) begin(app string) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running[app] != nil || f.ended {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	f.running[app] = stop
	f.readers.Go(func() { f.forward(ctx, app) })
}

// end forwards no more of an app.
func (f *forwarding) end(app string) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if stop := f.running[app]; stop != nil {
		stop()
		delete(f.running, app)
	}
}

// Close ends it all.
func (f *forwarding) Close() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	f.ended = true
	for _, stop := range f.running {
		stop()
	}
	f.mu.Unlock()
	f.readers.Wait()
	return nil
}

// forward goes on until ctx ends. Output that cannot be read is tried again: an app that has not started has none yet.
func (f *forwarding) forward(ctx context.Context, app string) {
	query := v1alpha1.LogQuery{Since: time.Now(), Follow: true}
	for ctx.Err() == nil {
		if dir, err := f.dirOf(app); err == nil {
			_ = f.read(ctx, dir, query, func(line v1alpha1.LogLine) error {
				query.Since = line.Time.Add(1) // nothing twice after an error
				return f.write(line)
			})
		}
		timer := time.NewTimer(f.pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (f *forwarding) write(line v1alpha1.LogLine) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	f.writing.Lock()
	defer f.writing.Unlock()
	_, err = f.out.Write(append(text, '\n'))
	return err
}

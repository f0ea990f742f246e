package host

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

func TestForwardingOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		begun := time.Now()
		var since []time.Time
		read := func(ctx context.Context, dir string, query v1alpha1.LogQuery, emit func(v1alpha1.LogLine) error) error {
			since = append(since, query.Since)
			line := v1alpha1.LogLine{Time: query.Since.Add(time.Second), App: dir, Process: "web.1", Text: "hello"}
			if err := emit(line); err != nil || len(since) == 1 {
				return errors.Join(err, errors.New("lost"))
			}
			<-ctx.Done()
			return nil
		}
		f := newForwarding(&out, read, func(app string) (string, error) { return "dir of " + app, nil })
		f.begin("web")
		f.begin("web")
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(since) != 2 || !since[0].Equal(begun) || !since[1].Equal(begun.Add(time.Second+1)) {
			t.Errorf("read since %v, want from the beginning on, and once more after an error from behind the last line on", since)
		}
		if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 2 || !strings.Contains(lines[0], `"app":"dir of web"`) {
			t.Errorf("forwarded %q, want two lines of JSON", out.String())
		}
		f.end("web")
		synctest.Wait()
		f.begin("other")
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		f.begin("late")
		if len(f.running) != 1 {
			t.Errorf("running = %v after the end, want nothing new", f.running)
		}
	})
}

func TestNoForwarding(t *testing.T) {
	f := newForwarding(nil, nil, nil)
	f.begin("web")
	f.end("web")
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

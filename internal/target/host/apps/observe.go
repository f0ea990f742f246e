package apps

import (
	"context"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// stateDeadline bounds one wait for news of the supervisor, which itself waits for at most half a minute.
const stateDeadline = 45 * time.Second

// maxWatched bounds the directories of one release that are watched; changes in others are found by the next comparison.
const maxWatched = 500

// Watch tells of every app that may have changed, until ctx ends. It also takes up what an earlier agent has left half done.
func (d *Driver) Watch(ctx context.Context, changed func(all bool, ids ...state.ID)) error {
	defer d.listeners.Join(changed)()
	d.resume()
	if d.cfg.Watcher != nil && !d.cfg.ReadOnly {
		return d.cfg.Watcher.Follow(ctx, d.touched)
	}
	<-ctx.Done()
	return nil
}

// resume takes up the work on every app that is recorded, and listens to the supervisor when there is one.
func (d *Driver) resume() {
	for _, name := range d.Apps() {
		d.observe()
		d.controllerOf(name).wake(false)
	}
}

// observe begins to listen to the supervisor, once.
func (d *Driver) observe() {
	d.mu.Lock()
	begun := d.observing || d.cfg.ReadOnly
	d.observing = true
	d.mu.Unlock()
	if !begun {
		d.spawn(func() { d.listen(d.ctx) })
	}
}

// listen wakes the controllers of the apps that something has happened to.
func (d *Driver) listen(ctx context.Context) {
	wait := firstWait
	var last supervise.State
	for ctx.Err() == nil {
		fresh, err := d.news(ctx, last.Version)
		if err != nil {
			last.Version = 0
			if !pause(ctx, wait) {
				return
			}
			wait = min(2*wait, 10*time.Second)
			continue
		}
		wait = firstWait
		for _, name := range affected(last, fresh) {
			d.controllerOf(name).wake(false)
		}
		last = fresh
	}
}

func (d *Driver) news(ctx context.Context, after uint64) (supervise.State, error) {
	ctx, cancel := context.WithTimeout(ctx, stateDeadline)
	defer cancel()
	supervisor, err := d.connect(ctx)
	if err != nil {
		return supervise.State{}, err
	}
	fresh, err := supervisor.State(ctx, after)
	if err != nil {
		d.disconnect(supervisor)
	}
	return fresh, err
}

// affected names the apps that two states tell different things of. The numbers of requests are no news.
func affected(before, after supervise.State) []string {
	was, is := byApp(before), byApp(after)
	var names []string
	for name, now := range is {
		if !reflect.DeepEqual(was[name], now) || before.PID != after.PID {
			names = append(names, name)
		}
	}
	for name := range was {
		if _, still := is[name]; !still {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// told is what a state says of one app.
type told struct {
	processes []supervise.Status
	address   supervise.AppStatus
}

func byApp(s supervise.State) map[string]told {
	all := map[string]told{}
	for _, status := range s.Processes {
		if strings.Contains(status.ID.App, ".") {
			continue // no App has such a name: it is another driver's
		}
		t := all[status.ID.App]
		t.processes = append(t.processes, status)
		all[status.ID.App] = t
	}
	for _, app := range s.Apps {
		app.Requests, app.Failed = 0, 0
		t := all[app.Name]
		t.address = app
		all[app.Name] = t
	}
	return all
}

// pause waits, and says whether to go on.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// watchKey begins the keys of apps at a watcher that others may use too.
const watchKey = "App/"

// touched tells of apps whose files have changed.
func (d *Driver) touched(all bool, keys ...string) {
	if all {
		d.listeners.Tell(true)
		return
	}
	for _, key := range keys {
		if name, mine := strings.CutPrefix(key, watchKey); mine {
			d.changed(name)
		}
	}
}

// follow has the files watched that an app's configuration is read from, and those of its active release.
func (c *controller) follow(m *memory) {
	if c.d.cfg.Watcher == nil || m.Removing || !c.refollow(m) {
		return
	}
	var paths []string
	if wanted := m.release(m.Wanted); wanted != nil {
		paths = wanted.Print.paths()
	}
	if active := m.release(m.Active); active != nil {
		paths = append(paths, c.d.watched(c.name, m.Active)...)
	}
	slices.Sort(paths)
	if err := c.d.cfg.Watcher.Set(watchKey+c.name, slices.Compact(paths)...); err != nil {
		c.d.cfg.Log.Warn("some files of an app are not watched", "app", c.name, "error", err)
	}
}

// refollow says whether other files are to be watched than before.
func (c *controller) refollow(m *memory) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.followed
	c.followed = itoa(m.Wanted) + " " + itoa(m.Active)
	return before != c.followed
}

func (d *Driver) unfollow(name string) { _ = d.cfg.Watcher.Set(watchKey + name) } // nothing is added, so nothing can fail

// watched gives the directories of a release, as a watcher wants them.
func (d *Driver) watched(name string, number int) []string {
	p := d.place(name)
	files, err := readManifest(p.manifestOf(number))
	if err != nil {
		return nil // the comparison says so
	}
	var all []string
	for _, dir := range files.directories() {
		if inside, ok := d.cfg.Files.Inside(filepath.Join(p.release(number), dir)); ok && len(all) < maxWatched {
			all = append(all, inside+"/")
		}
	}
	return all
}

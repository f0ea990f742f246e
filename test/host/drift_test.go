package host_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/test/host"
	"github.com/setpoint-dev/setpoint/test/system"
)

const (
	drifts = 100
	// files are so many that no field of one is disturbed as often as in a fight.
	files = 60
	// replicas are so many that none is disturbed as often as one that keeps failing would be.
	replicas = 16
)

// disturbance is one thing that somebody does to the host past the agent.
type disturbance struct {
	id   state.ID
	how  string
	took time.Duration // until it was put right; of a process, until another was started
}

// TestDrifts: a hundred disturbances of files and processes, one after the other, are all put right, and the history names each.
func TestDrifts(t *testing.T) {
	port := host.FreePort(t)
	repository := map[string]string{
		"app.yaml":     strings.Replace(host.App(host.Sample(t), "one", port), "replicas: 2", fmt.Sprintf("replicas: %d", replicas), 1),
		"build/readme": "nothing to build\n",
		"files.yaml":   "apiVersion: host.setpoint.dev/v1alpha1\nkind: Directory\nmetadata: {name: conf}\nspec: {path: /etc/conf}\n",
	}
	for i := range files {
		repository["files.yaml"] += host.File(fmt.Sprintf("f%d", i), fmt.Sprintf("/etc/conf/f%d", i), fmt.Sprintf("content %d\n", i))
	}
	d := disturber{Scene: host.Play(t, repository), random: rand.New(rand.NewPCG(3, 4))}
	d.hows = []string{"edit", "chmod", "delete", "link", "directory", "kill", "deafen"}
	if os.Geteuid() == 0 {
		d.hows = append(d.hows, "chown")
	}
	var done []disturbance
	for i := range drifts {
		done = append(done, d.disturb(i, d.hows[d.random.IntN(len(d.hows))]))
	}
	d.Agent.WaitInSync()
	figures(t, done)
	d.named(done)
}

type disturber struct {
	*host.Scene
	random *rand.Rand
	hows   []string
	turn   int // of the replicas
}

func (d *disturber) disturb(i int, how string) disturbance {
	d.Helper()
	if how == "kill" || how == "deafen" {
		return d.process(how)
	}
	number := d.random.IntN(files)
	name := fmt.Sprintf("f%d", number)
	path := d.At("/etc/conf/" + name)
	whole := looks(path)
	var err error
	switch how {
	case "edit":
		err = os.WriteFile(path, fmt.Appendf(nil, "disturbed %d\n", i), 0o600)
	case "chmod":
		err = os.Chmod(path, 0o755)
	case "chown":
		err = os.Lchown(path, 12345, 12345)
	case "delete":
		err = os.Remove(path)
	case "link":
		if err = os.Symlink("/etc/passwd", d.aside(i)); err == nil {
			err = os.Rename(d.aside(i), path)
		}
	case "directory":
		if err = os.Mkdir(d.aside(i), 0o755); err == nil {
			err = unix.Renameat2(unix.AT_FDCWD, d.aside(i), unix.AT_FDCWD, path, unix.RENAME_EXCHANGE)
		}
	}
	if err != nil {
		d.Fatal(err)
	}
	began := time.Now()
	await(d.TB, path+" after "+how, func() bool { return looks(path) == whole })
	took := time.Since(began)
	d.settle()
	return disturbance{id: state.ID{Group: v1alpha1.GroupHost, Kind: v1alpha1.KindFile, Name: name}, how: how, took: took}
}

// aside is a place from which something can be moved over a file in one instant.
func (d *disturber) aside(i int) string { return d.At(fmt.Sprintf("/srv/aside-%d", i)) }

// looks is everything about a file that is declared.
func looks(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return err.Error()
	}
	content, err := os.ReadFile(path)
	owner := info.Sys().(*syscall.Stat_t)
	return fmt.Sprint(info.Mode(), owner.Uid, owner.Gid, string(content), err)
}

// process kills one of the app's processes, or has it stop listening; it is put right when another has been started in its place.
func (d *disturber) process(how string) disturbance {
	d.Helper()
	before := d.Processes()
	d.turn++
	replica := fmt.Sprintf("web.%d", 1+d.turn%replicas)
	var victim int
	for pid, mark := range before {
		if replicaOf(mark) == replica {
			victim = pid
		}
	}
	var err error
	if how == "kill" {
		err = syscall.Kill(victim, syscall.SIGKILL)
	} else {
		_, _, err = host.Get(d.Context(), http.MethodPost, fmt.Sprintf("http://127.0.0.1:%s/deafen", host.Variable(d, victim, "PORT")))
	}
	if err != nil {
		d.Fatal(err)
	}
	began := time.Now()
	await(d.TB, "another "+replica, func() bool {
		for pid, mark := range d.Processes() {
			if _, old := before[pid]; !old && replicaOf(mark) == replica {
				return true
			}
		}
		return false
	})
	took := time.Since(began)
	d.settle()
	return disturbance{id: state.ID{Group: v1alpha1.GroupHost, Kind: v1alpha1.KindApp, Name: "web"}, how: how, took: took}
}

// replicaOf gives the "web.1" of "app/release/web.1/launch".
func replicaOf(mark string) string {
	parts := strings.Split(mark, "/")
	if len(parts) != 4 {
		return ""
	}
	return parts[2]
}

// settle waits until everything is healthy again, so that the next disturbance meets a whole host.
func (d *disturber) settle() {
	d.Helper()
	d.Agent.WaitInSync()
	await(d.TB, "all processes", func() bool { return len(d.Processes()) == replicas })
}

// await polls quickly: what is measured is in milliseconds.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), system.Patience)
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(500 * time.Microsecond):
		}
	}
}

// figures logs how long it took from the disturbance to its repair.
func figures(t *testing.T, done []disturbance) {
	took := map[string][]time.Duration{}
	for _, d := range done {
		what := "files"
		if d.id.Kind == v1alpha1.KindApp {
			what = "processes"
		}
		took[what] = append(took[what], d.took)
		took[d.how] = append(took[d.how], d.took)
	}
	for how, list := range took {
		slices.Sort(list)
		for name, at := range map[string]int{"p50": len(list) / 2, "p99": len(list) - 1 - len(list)/100} {
			system.Figure(t, "host-drift."+how+"."+name, float64(list[at].Microseconds())/1000, "ms")
		}
	}
}

// told are the words by which the history names a disturbance: the field, and what was there.
var told = map[string]struct{ path, old string }{
	"edit": {"/spec/content", "disturbed"}, "chmod": {"/spec/mode", "0755"}, "chown": {"/spec/owner", "12345"},
	"link": {"/type", "link"}, "directory": {"/type", "directory"},
	"kill": {"/processes/web.", "SIGKILL"}, "deafen": {"/processes/web.", "listen"},
}

// named fails the test unless the history tells of each disturbance once, in order.
func (d *disturber) named(done []disturbance) {
	d.Helper()
	changes := map[state.ID][]v1alpha1.Change{}
	attempts := d.Agent.History("root")
	slices.Reverse(attempts)
	for _, attempt := range attempts {
		for _, change := range attempt.Changes {
			if change.Cause == "drift" {
				changes[change.ID] = append(changes[change.ID], change)
			}
		}
	}
	for _, one := range done {
		rest := changes[one.id]
		at := slices.IndexFunc(rest, func(change v1alpha1.Change) bool { return names(change, one.how) })
		if at < 0 {
			d.Errorf("the history does not tell of %s of %s; what is left of it: %+v", one.how, one.id, rest)
			continue
		}
		changes[one.id] = rest[at+1:]
	}
}

func names(change v1alpha1.Change, how string) bool {
	if how == "delete" {
		return change.Op == "create"
	}
	return slices.ContainsFunc(change.Fields, func(field v1alpha1.Field) bool {
		return strings.HasPrefix(field.Path, told[how].path) && strings.Contains(field.Old, told[how].old)
	})
}

package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cpuPeriod is the span that a limit of processors is kept in, in microseconds: the kernel's own default.
const cpuPeriod = 100_000

// groups makes control groups (version 2) for processes whose memory or processors are limited. Base is the group that they are made
// in; "" when there is none that we may use.
type groups struct {
	base   string
	prefix string // of their names, with the supervisor's id
}

// A group is one process's control group.
type group struct {
	path string
	file *os.File
}

// findGroups looks for a group that offers the controllers: the supervisor's own, else the one above it, which a service manager may
// have delegated to the service as a whole.
func findGroups(id string) groups {
	g := groups{prefix: "setpoint-" + id + "."}
	own := ownGroup()
	if own == "" {
		return g
	}
	for _, base := range []string{own, filepath.Dir(own)} {
		if offers(base) {
			g.base = base
			break
		}
	}
	return g
}

// ownGroup gives the directory of the control group of this process in the hierarchy of version 2.
func ownGroup() string {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	membership, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	mount, root := groupMount(string(mounts))
	for line := range strings.Lines(string(membership)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok && mount != "" {
			return filepath.Join(mount, strings.TrimPrefix(name, root))
		}
	}
	return ""
}

// groupMount finds where version 2 is mounted, and which group is the root of that mount; see proc_pid_mountinfo(5).
func groupMount(mountinfo string) (mount, root string) {
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 {
			return fields[4], strings.TrimSuffix(fields[3], "/")
		}
	}
	return "", ""
}

// offers says whether groups made in base get the controllers, and makes it so where it may. A group that has processes itself cannot
// give controllers to others, and moving those processes is not ours to do.
func offers(base string) bool {
	enabled, err := os.ReadFile(filepath.Join(base, "cgroup.subtree_control"))
	if err != nil {
		return false
	}
	missing := missingControllers(string(enabled))
	if len(missing) > 0 {
		request := "+" + strings.Join(missing, " +")
		if os.WriteFile(filepath.Join(base, "cgroup.subtree_control"), []byte(request), 0) != nil {
			return false
		}
	}
	probe, err := os.MkdirTemp(base, "setpoint-probe-")
	if err != nil {
		return false
	}
	return os.Remove(probe) == nil
}

func missingControllers(enabled string) []string {
	have := strings.Fields(enabled)
	return slices.DeleteFunc([]string{"cpu", "memory"}, func(name string) bool { return slices.Contains(have, name) })
}

// limited says whether a launch needs a group.
func (l Launch) limited() bool { return l.Memory > 0 || l.CPU > 0 }

// make makes the group of a process, with its limits. It gives none when none is needed, or memory has to be limited in another way.
func (g groups) make(id ProcessID, launch Launch) (*group, error) {
	switch {
	case !launch.limited():
		return nil, nil // no group is needed
	case g.base == "" && launch.CPU > 0:
		return nil, never("its cpu cannot be limited: that needs control groups (version 2) with the controllers cpu and memory, " +
			"delegated to the agent")
	case g.base == "":
		return nil, nil // memory is limited by process
	}
	path := g.path(id)
	if err := os.Mkdir(path, 0o750); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, notNow("its control group cannot be made: %s", reason(err))
	}
	err := writeLimits(path, launch)
	var file *os.File
	if err == nil {
		file, err = os.Open(path)
	}
	if err != nil {
		_ = os.Remove(path)
		return nil, notNow("its control group cannot be set up: %s", reason(err))
	}
	return &group{path: path, file: file}, nil
}

func (g groups) path(id ProcessID) string { return filepath.Join(g.base, g.prefix+id.fileName()) }

// find gives the group that a process was started in, if it was.
func (g groups) find(id ProcessID, launch Launch) *group {
	if g.base == "" || !launch.limited() {
		return nil
	}
	if _, err := os.Stat(g.path(id)); err != nil {
		return nil
	}
	return &group{path: g.path(id)}
}

func writeLimits(path string, launch Launch) error {
	write := func(name, value string) error { return os.WriteFile(filepath.Join(path, name), []byte(value), 0) }
	var err error
	if launch.Memory > 0 {
		err = errors.Join(write("memory.max", strconv.FormatInt(launch.Memory, 10)), noSwap(path))
	}
	if launch.CPU > 0 {
		err = errors.Join(err, write("cpu.max", fmt.Sprintf("%d %d", launch.CPU*cpuPeriod/1000, cpuPeriod)))
	}
	return err
}

// noSwap keeps a limit of memory from being evaded into swap; kernels without swap have no such file.
func noSwap(path string) error {
	err := os.WriteFile(filepath.Join(path, "memory.swap.max"), []byte("0"), 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return nil
	}
	return err
}

// started closes what only starting needs.
func (g *group) started() {
	if g != nil && g.file != nil {
		_ = g.file.Close()
		g.file = nil
	}
}

// empty says whether no process is left in the group.
func (g *group) empty() bool {
	if g == nil {
		return true
	}
	content, err := os.ReadFile(filepath.Join(g.path, "cgroup.procs"))
	return err != nil || len(bytes.TrimSpace(content)) == 0
}

// kill ends everything in the group at once.
func (g *group) kill() {
	if g != nil {
		_ = os.WriteFile(filepath.Join(g.path, "cgroup.kill"), []byte("1"), 0)
	}
}

// remove removes the group, which the kernel allows a moment after its last process has ended.
func (g *group) remove() {
	if g == nil {
		return
	}
	g.started()
	for range 50 {
		if err := os.Remove(g.path); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

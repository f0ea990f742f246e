package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// inotifyWatches is what a host with a few thousand files under the agent's care needs.
const inotifyWatches = 8192

// skewAllowed is how far the clocks of this machine and the agent's may differ before times in the output mislead.
const skewAllowed = 5 * time.Second

// checkAgent asks the agent. That none answers is no fault where none was named: it may not have been started yet.
func (s *session) checkAgent(ctx context.Context) finding {
	client, err := s.client()
	if err != nil {
		return found(err, "")
	}
	info, err := client.Agent(ctx)
	named := s.url != "" || s.Getenv("SETPOINT_URL") != ""
	switch {
	case err != nil && fault.KindOf(err) == fault.Transient && !named:
		return skipped("none answers at "+client.URL(), "start one with `setpoint run`, or set SETPOINT_URL")
	case err != nil:
		return found(err, "")
	case !info.Ready:
		return warning("not ready: "+info.Waiting, "`setpoint status` shows what it does")
	case info.Version != s.Version.Version:
		return warning(fmt.Sprintf("version %s, this command is %s", info.Version, s.Version.Version), "use the same version for both")
	}
	if skew := s.Now().Sub(info.Time).Abs(); skew > skewAllowed {
		return warning("its clock and the one of this machine differ", "synchronize both: `timedatectl set-ntp true`")
	}
	return finding{Result: "ok", Message: "ready at " + client.URL() + ", version " + info.Version}
}

// checkCluster reaches the cluster. That there is none is no fault where none was named: the agent then drives this host alone.
func (s *session) checkCluster(ctx context.Context, c *configuration) finding {
	if c.get("kubernetes") == "off" {
		return skipped("none is driven", "")
	}
	message, err := s.CheckCluster(ctx, c.get("kubeconfig"), c.get("context"))
	if fault.KindOf(err) == fault.NotFound && c.get("kubeconfig") == "" && c.get("context") == "" {
		return skipped("none is configured: an agent would drive this host alone", fault.HintOf(err))
	}
	return found(err, message)
}

// checkData makes the data directory, as the agent would, and writes to it.
func checkData(c *configuration) finding {
	const hint = "set SETPOINT_DATA to a directory that this user may write"
	dir, err := c.data()
	if err != nil {
		return found(err, "")
	}
	if err = os.MkdirAll(dir, 0o700); err == nil {
		var file *os.File
		if file, err = os.CreateTemp(dir, ".doctor-*"); err == nil {
			_, err = file.WriteString("setpoint")
			err = errors.Join(err, file.Sync(), file.Close(), os.Remove(file.Name()))
		}
	}
	if err != nil {
		return found(&fault.Error{Op: "write to", Item: dir, Kind: fault.Denied, Err: pathless(err), Hint: hint}, "")
	}
	return finding{Result: "ok", Message: dir + " can be written"}
}

// pathless takes the path off an error: the fault names the directory, and temporary names differ each time.
func pathless(err error) error {
	if at, ok := errors.AsType[*os.PathError](err); ok {
		return at.Err
	}
	return err
}

func (s *session) checkGit(ctx context.Context, c *configuration) finding {
	if c.get("source") == "" {
		return skipped("no source is given", "add --source URL, or set SETPOINT_SOURCE")
	}
	spec, err := c.source()
	if err != nil {
		return found(err, "")
	}
	message, err := s.CheckSource(ctx, spec)
	return found(err, message)
}

// checkClock finds clocks that are wrong for certain: behind the time at which this program was written. TLS fails then.
func (s *session) checkClock() finding {
	built, err := time.Parse(time.RFC3339, s.Version.Date)
	if err == nil && s.Now().Before(built) {
		return found(fault.New(fault.Invalid, "read", "the clock", "it is behind the day on which this program was built").
			WithHint("set it: `timedatectl set-ntp true`"), "")
	}
	if synchronized, known := clockSynchronized(); known && !synchronized {
		return warning("the kernel says that it is not synchronized", "`timedatectl set-ntp true`, or whatever keeps time on this machine")
	}
	return finding{Result: "ok", Message: s.Now().UTC().Format(time.RFC3339)}
}

// checkInotify reads the limits under which files can be watched.
func checkInotify(dir string) finding {
	limit := func(name string) (int, bool) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return 0, false
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(data)))
		return n, err == nil
	}
	watches, ok := limit("max_user_watches")
	instances, also := limit("max_user_instances")
	switch {
	case !ok || !also:
		return skipped("this system has none", "")
	case watches < inotifyWatches:
		return warning(fmt.Sprintf("only %d files can be watched", watches),
			fmt.Sprintf("sysctl fs.inotify.max_user_watches=%d", 64*inotifyWatches))
	case instances < 16:
		return warning(fmt.Sprintf("only %d programs can watch files", instances), "sysctl fs.inotify.max_user_instances=512")
	}
	return finding{Result: "ok", Message: fmt.Sprintf("%d files can be watched", watches)}
}

package witness

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// groupFlags make a group whose events name the directory and the entry, see fanotify_init(2). Its queue is bounded on purpose: an agent
// that is stopped must not fill the memory of the kernel. Unlimited marks are bounded by the directories that are set; asking for them
// is also what the kernel refuses to those whom it would not tell who did something.
const groupFlags = unix.FAN_CLASS_NOTIF | unix.FAN_REPORT_DFID_NAME | unix.FAN_CLOEXEC | unix.FAN_NONBLOCK | unix.FAN_UNLIMITED_MARKS

// watched are the events of a directory's entries. Those of what is below are not told, and neither is reading.
const watched = unix.FAN_MODIFY | unix.FAN_ATTRIB | replacing | unix.FAN_EVENT_ON_CHILD | unix.FAN_ONDIR

// replacing are the events after which there is something else at a path, or nothing.
const replacing = unix.FAN_CREATE | unix.FAN_DELETE | unix.FAN_MOVED_FROM | unix.FAN_MOVED_TO

// openGroup makes a fanotify group. A pidfd with each event (Linux 5.15) makes sure that the number of a process is not another's already;
// without, only how soon events are read does.
func openGroup() (*os.File, error) {
	const unused = unix.O_RDONLY | unix.O_CLOEXEC // events with names come without open files
	fd, err := unix.FanotifyInit(groupFlags|unix.FAN_REPORT_PIDFD, unused)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.FanotifyInit(groupFlags, unused)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "fanotify"), nil
}

// explain makes a fault of why there is no group.
func explain(err error) error {
	const without = "; until then changes are corrected and reported all the same, without who made them"
	failed := &fault.Error{Op: "watch", Item: "who changes files", Kind: fault.Denied, Err: err}
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		failed.Err = errors.New("the agent lacks CAP_SYS_ADMIN")
		return failed.WithHint("run the agent as root, or give its service AmbientCapabilities=CAP_SYS_ADMIN CAP_DAC_READ_SEARCH" + without)
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
		failed.Err = errors.New("the kernel has no fanotify that tells names")
		return failed.WithHint("use Linux 5.9 or newer, with CONFIG_FANOTIFY" + without)
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		failed.Kind, failed.Err = fault.Transient, errors.New("the host has no fanotify groups or open files left")
		return failed.WithHint("raise sysctl fs.fanotify.max_user_groups and ulimit -n" + without)
	case errors.Is(err, unix.ENOMEM):
		failed.Kind = fault.Transient
	}
	return failed
}

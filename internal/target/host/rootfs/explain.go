package rootfs

import (
	"errors"
	"io/fs"
	"path"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// errNoParent is the cause when it is the directory of an entry that is missing.
var errNoParent = errors.New("its directory does not exist")

// IsNoParent says whether an error means that the directory of a path is missing, or something on the way to it.
func IsNoParent(err error) bool { return errors.Is(err, errNoParent) }

// meaning is what one of the kernel's refusals means for whoever declared a file.
type meaning struct {
	kind  fault.Kind
	cause string // "" for the kernel's words
	hint  string
}

var meanings = map[error]meaning{
	unix.ENOENT:       {fault.NotFound, "it does not exist", ""},
	unix.EACCES:       {fault.Denied, "", "let the agent's user do it, or run the agent as root"},
	unix.EPERM:        {fault.Denied, "", "only root may do that: run the agent as root, or leave out owner and group"},
	unix.EROFS:        {fault.Denied, "", "mount the file system for writing, or declare another path"},
	unix.ENOSPC:       {fault.Transient, "", "make room on the file system, or look for one that has run out of inodes (df -i)"},
	unix.EDQUOT:       {fault.Transient, "", "raise the quota of the agent's user, or make room"},
	unix.EFBIG:        {fault.Invalid, "", "the file system or a limit of the agent (ulimit -f) does not allow such a long file"},
	unix.ENOTDIR:      {fault.Conflict, "something on the way to it is no directory", "remove what is there, or declare another path"},
	unix.ELOOP:        {fault.Invalid, "links on the way to it lead in a circle", "repair the links, or declare another path"},
	unix.ENAMETOOLONG: {fault.Invalid, "", "a name has at most 255 bytes, and a path 4095"},
	unix.EBUSY:        {fault.Conflict, "", "something is mounted there: unmount it, or declare another path"},
	unix.EXDEV:        {fault.Conflict, "", "something is mounted there: unmount it, or declare another path"},
	unix.ENOTEMPTY:    {fault.Conflict, "it is a directory with content", "move what is in it elsewhere, or remove it; nothing is lost"},
	unix.EMFILE:       {fault.Transient, "", "raise the number of files that the agent may have open (ulimit -n)"},
	unix.ENFILE:       {fault.Transient, "", "raise the number of open files of the whole host (sysctl fs.file-max)"},
	unix.EIO:          {fault.Transient, "", "look into the kernel's log for errors of the disk"},
	unix.EOPNOTSUPP:   {fault.Invalid, "", "the file system cannot do that: leave the attribute out, or declare another path"},
	unix.ENOSYS:       {fault.Invalid, "", "the kernel is too old for it"},
	unix.EAGAIN:       {fault.Transient, "the directories on the way to it change all the time", ""},
}

// explain makes a fault of what the kernel refused. The text is the same for the same refusal.
func explain(op, name string, err error) error {
	if already := new(fault.Error); errors.As(err, &already) {
		return err
	}
	var refusal syscall.Errno
	if !errors.As(err, &refusal) {
		return fault.Wrap(fault.Transient, op, name, err)
	}
	known, ok := meanings[refusal]
	if !ok {
		return fault.Wrap(fault.Transient, op, name, refusal)
	}
	var cause error = refusal
	if known.cause != "" {
		cause = &worded{known.cause, refusal}
	}
	return (&fault.Error{Op: op, Item: name, Kind: known.kind, Err: cause}).WithHint(known.hint)
}

// worded is a refusal in better words.
type worded struct {
	text  string
	cause error
}

func (w *worded) Error() string { return w.text }
func (w *worded) Unwrap() error { return w.cause }

func explainParent(op, name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return (&fault.Error{Op: op, Item: name, Kind: fault.NotFound, Err: errNoParent}).
			WithHint("declare the Directory " + path.Dir(name) + ", or create it")
	}
	return explain(op, name, err)
}

// explain looks for the flag that makes even root's changes fail, because the kernel's words do not tell of it.
func (p *place) explain(err error) error {
	if errors.Is(err, unix.EPERM) {
		for _, one := range []struct{ entry, what string }{{p.name, "it"}, {".", "its directory"}} {
			if flag := p.flag(one.entry); flag != "" {
				return (&fault.Error{Op: p.op, Item: p.path, Kind: fault.Denied, Err: &worded{one.what + " is " + flag, err}}).
					WithHint("take the flag away with chattr -i -a, or declare another path")
			}
		}
	}
	return explain(p.op, p.path, err)
}

// flag names the flag that forbids changes of an entry, "" when none does or it is not known.
func (p *place) flag(entry string) string {
	var st unix.Statx_t
	if err := unix.Statx(p.dir, entry, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st); err != nil {
		return ""
	}
	switch {
	case st.Attributes&unix.STATX_ATTR_IMMUTABLE != 0:
		return "immutable"
	case st.Attributes&unix.STATX_ATTR_APPEND != 0:
		return "append-only"
	}
	return ""
}

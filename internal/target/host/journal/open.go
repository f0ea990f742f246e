package journal

import (
	"cmp"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/seal"
)

// The names in a journal's directory.
const (
	logName     = "journal.log"
	newSuffix   = ".new"            // of a log that is being made
	tornSuffix  = ".torn"           // of the copy of what a crash left
	damagedName = "journal.damaged" // a log that a person has set aside
	lockName    = "lock"            // held by the process that writes
	blobsName   = "blobs"           // the directory of what was there before
)

// Options of a journal. The zero value logs nothing, and seals nothing.
type Options struct {
	Log *slog.Logger
	// Key is that of the agent, which the data of records and what is kept are sealed with on the disk; nil leaves them as they are.
	Key []byte
}

// Open reads the journal in a directory, which is made when it is missing, and keeps it for this process until Close. Errors: Conflict
// when another process has it open, Invalid when it is damaged, Transient for a full disk, Denied for missing permission.
func Open(dir string, options Options) (*Journal, error) {
	if err := makePrivate(dir); err != nil {
		return nil, err
	}
	j, err := newJournal(dir, options)
	if err != nil {
		return nil, err
	}
	if j.lock, err = lock(j.path(lockName)); err != nil {
		return nil, err
	}
	if err := j.load(); err != nil {
		_ = j.lock.Close()
		return nil, err
	}
	j.sweep()
	return j, nil
}

// attempts bound how often a reader begins again that was overtaken by a writer.
const attempts = 5

// OpenReadOnly reads the journal as it is at this moment, beside a process that may have it open: for previews. It makes, changes and
// locks nothing. A missing directory is an empty journal. Errors are those of Open, and Denied when the key is another.
func OpenReadOnly(dir string, options Options) (*Journal, error) {
	j, err := newJournal(dir, options)
	if err != nil {
		return nil, err
	}
	j.readOnly = true
	for range attempts {
		j.content, err = peek(j.disk.path, j.box)
		switch {
		case err == nil:
			return j, nil
		case fault.KindOf(err) == fault.Denied: // also by the next look
			return nil, err
		}
		// A writer whose disk is full cuts off what it wrote, perhaps while it was being read here.
		time.Sleep(time.Millisecond)
	}
	return nil, err
}

func peek(path string, box seal.Box) (content, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newContent(), nil
	}
	if err != nil {
		return content{}, diskFault("open", path, err)
	}
	defer file.Close()
	found, err := readLog(file, reader{path: path, box: box})
	return found.content, err
}

func newJournal(dir string, options Options) (*Journal, error) {
	j := &Journal{
		dir: dir, log: cmp.Or(options.Log, slog.New(slog.DiscardHandler)), turn: make(chan struct{}, 1), content: newContent(),
		unnamed: map[string]int{},
	}
	j.disk.path = j.path(logName)
	if options.Key == nil {
		return j, nil
	}
	var err error
	j.box, err = seal.New(options.Key, purpose)
	return j, fault.Wrap(fault.Internal, "use", "the agent's key", err)
}

func (j *Journal) path(name string) string { return filepath.Join(j.dir, name) }

// makePrivate makes a directory that only its owner may enter, or makes one so.
func makePrivate(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return diskFault("make", dir, err)
	}
	info, err := os.Stat(dir)
	if err == nil && info.Mode().Perm() != 0o700 {
		err = os.Chmod(dir, 0o700) //nolint:gosec // a directory needs the x bit
	}
	if err == nil {
		err = syncDir(dir) // or a power cut could take the directory with all that is in it
	}
	return diskFault("make", dir, err)
}

// lock takes the lock that says who writes. The kernel gives it back when the process ends, however it does.
func lock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, diskFault("lock", path, err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fault.New(fault.Conflict, "lock", path, "another agent has this data directory").
				WithHint("stop that agent, or give this one a directory of its own with SETPOINT_DATA")
		}
		return nil, diskFault("lock", path, err)
	}
	return file, nil
}

// diskFault turns an error of the file system into a fault; nil stays nil.
func diskFault(op, path string, err error) error {
	failed := &fault.Error{Op: op, Item: path, Err: cause(err)}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EFBIG):
		failed.Kind = fault.Transient
		failed.Hint = "free some space on the disk: nothing on this host is changed that cannot be written down first"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		failed.Kind, failed.Hint = fault.Denied, "let the agent's user write there, or set SETPOINT_DATA to a directory where it may"
	case errors.Is(err, unix.EIO):
		failed.Kind, failed.Hint = fault.Transient, "look at the disk: the kernel's log says more"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		failed.Kind, failed.Hint = fault.Transient, "raise the limit of open files"
	default:
		failed.Kind, failed.Hint = fault.Invalid, "look at what is there: it should be a directory that only the agent writes to"
	}
	return failed
}

// cause leaves out what the fault says itself: the operation and the path.
func cause(err error) error {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return failed.Err
	}
	return err
}

// Package witness tells who changed a file. inotify, which tells that something changed, does not know; fanotify does, for those who may
// use it. A witness looks at directories while they are changed, asks /proc at once which program that is and who runs it, since it may
// be gone in a moment, and remembers the answer for some minutes.
//
// It would rather say nothing than name the wrong one. What it knows belongs to a directory itself, not to its path, so that a directory
// which takes another's place inherits nothing; and whenever something may have been missed, everything is forgotten. The kernel does not
// tell of what is written through a shared memory map, nor of what other machines write to a network's disk.
//
// Its files: witness.go is what callers see; group.go asks the kernel for a group; place.go names directories, and mark.go has the kernel
// tell of them; event.go reads what it tells, listen.go follows it, and pace.go keeps that cheap; memory.go remembers, and answer.go finds
// the answer in it; culprit.go, process.go and origin.go look at processes; say.go makes sentences for people.
package witness

import (
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"
)

// Witness sees who changes the entries of directories. Safe for concurrent use.
type Witness struct {
	log    *slog.Logger
	group  *os.File
	raw    syscall.RawConn // the group's
	close  func() error
	ending chan struct{} // closed when Close is called
	ended  chan struct{} // closed when nothing listens any more
	people people

	mu       sync.Mutex
	buffer   []byte
	marks    map[string]*mark  // by the path that was set
	places   map[string]*place // by their keys
	memory   memory
	culprits culprits
}

// Open makes a witness that looks at nothing yet. It must be closed. The error is a fault with a hint: Denied where the agent may not
// witness, or the kernel cannot (it needs CAP_SYS_ADMIN and Linux 5.9), Transient when the host has no fanotify group or open file left.
// Without a witness everything works, and nobody is named.
func Open(log *slog.Logger) (*Witness, error) {
	group, err := openGroup()
	if err != nil {
		return nil, explain(err)
	}
	raw, err := group.SyscallConn()
	if err != nil {
		group.Close()
		return nil, explain(err)
	}
	w := &Witness{
		log: log, group: group, raw: raw, ending: make(chan struct{}), ended: make(chan struct{}),
		buffer: make([]byte, bufferSize), marks: map[string]*mark{}, places: map[string]*place{}, memory: newMemory(),
		culprits: newCulprits("/proc", os.Getpid()),
	}
	w.close = sync.OnceValue(w.end)
	go w.listen()
	return w, nil
}

// Set says which directories are looked at from now on, by their real paths, absolute and without links in them. One that is not there is
// left out, and looked for when it is set again: after a directory was made or replaced, set the same again. That costs a few system
// calls for each. What is known of directories that are not named any more is forgotten.
//
// To know who changed the mode or owner of a directory, or replaced it, also set the directory that it is in.
func (w *Witness) Set(dirs []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.catchUp() // what happened until now happened to the directories as they were set
	now, wanted := time.Now(), make(map[string]bool, len(dirs))
	for _, dir := range dirs {
		wanted[dir] = true
		w.mark(dir, now)
	}
	for dir := range w.marks {
		if !wanted[dir] {
			w.unmark(dir)
		}
	}
}

// Who gives who changed last what is at a path, or took it away, and when the witness saw that. The path is real, absolute, and in, or
// the same as, a directory that is set. It is false when nothing is known of it: nobody changed it in the last minutes, the agent itself
// did so last, or some events were lost. The same culprit always gives the same text: no numbers of processes, no times. It sees
// everything that was done before it is called, and may wait for the host's user database.
func (w *Witness) Who(path string) (who string, when time.Time, ok bool) {
	w.mu.Lock()
	w.catchUp()
	found, ok := w.latest(path, time.Now())
	w.mu.Unlock()
	if !ok || found.who == self {
		return "", time.Time{}, false
	}
	return w.people.say(found.who), found.when, true
}

// Close ends the witness and its goroutine. It knows nothing any more. It may be called more than once.
func (w *Witness) Close() error { return w.close() }

func (w *Witness) closed() bool {
	select {
	case <-w.ending:
		return true
	default:
		return false
	}
}

func (w *Witness) end() error {
	close(w.ending)
	err := w.group.Close() // with the group all marks are gone
	<-w.ended
	w.mu.Lock()
	defer w.mu.Unlock()
	w.memory = newMemory()
	return err
}

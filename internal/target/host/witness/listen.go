package witness

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// bufferSize bounds how many events are read at once, and with it how many pidfds are open: some two hundred.
	bufferSize = 16 << 10
	// maxEvent is how large an event can be: when that much room is left in the buffer, there were no more.
	maxEvent = 1 << 10
	// maxLooks bounds how long catching up takes. The kernel's queue, 16,384 events unless the host's administrator says otherwise, fits.
	maxLooks = 1024
)

// listen follows the kernel until the witness is closed. While nothing happens, it waits in the runtime's poller and costs nothing.
func (w *Witness) listen() {
	defer close(w.ended)
	var pace pace
	for {
		err := w.raw.Read(func(group uintptr) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.look(int(group)) > 0 // false has it wait for more
		})
		if err != nil {
			if !w.closed() {
				w.log.Warn("nobody sees any more who changes files", "error", err)
			}
			return
		}
		if pause := pace.next(time.Now()); pause > 0 && !w.rest(pause) {
			return
		}
	}
}

// rest waits; false says that the witness was closed meanwhile.
func (w *Witness) rest(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-w.ending:
		return false
	case <-timer.C:
		return true
	}
}

// catchUp takes in all that the kernel has to tell until now. The witness is locked. A closed group has nothing to tell.
func (w *Witness) catchUp() {
	_ = w.raw.Control(func(group uintptr) {
		for range maxLooks {
			if w.look(int(group)) <= bufferSize-maxEvent {
				return
			}
		}
	})
}

// look takes in what the kernel has to tell, a buffer at most, and gives how many bytes that were. The witness is locked from before they
// are read, so that no event is overtaken by a later one.
func (w *Witness) look(group int) int {
	n, err := unix.Read(group, w.buffer)
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Read(group, w.buffer)
	}
	if err != nil {
		if !errors.Is(err, unix.EAGAIN) {
			w.missed("error", err)
		}
		return 0
	}
	w.understand(w.buffer[:n], time.Now())
	return n
}

// understand takes in events, one after the other.
func (w *Witness) understand(told []byte, now time.Time) {
	for len(told) > 0 {
		this, rest, ok := next(told)
		if told = rest; !ok {
			w.missed("error", "the kernel tells of events in an unknown form")
		} else {
			w.take(this, now)
		}
		if this.pidfd >= 0 {
			_ = unix.Close(this.pidfd)
		}
	}
}

// take remembers whose an event is, when it is about a directory that is set.
func (w *Witness) take(this event, now time.Time) {
	if this.mask&unix.FAN_Q_OVERFLOW != 0 {
		w.missed("error", "the kernel's queue was full")
		return
	}
	if w.places[string(this.dir)] == nil {
		return // told before the mark was given back
	}
	at := spot{dir: string(this.dir), name: string(this.name)}
	w.memory.note(record{spot: at, who: w.culprits.of(this, now), when: now, replaced: this.mask&replacing != 0})
}

// missed forgets everything: whoever is remembered may not be the last any more.
func (w *Witness) missed(args ...any) {
	w.memory = newMemory()
	w.log.Debug("it is not known who changed files until now", args...)
}

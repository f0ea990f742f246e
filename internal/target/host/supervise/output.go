package supervise

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// lastOutput is how long output is waited for when all of a process has ended: something that we cannot see may hold its FIFO open.
const lastOutput = time.Second

// readSize is how much is read of a stream at once, in bytes: every process has two buffers of it.
const readSize = 16 << 10

// The streams of a process, in the order of their descriptors from 1.
var streamNames = [...]string{"stdout", "stderr"}

// An output brings what a process writes to its log. Each stream is a FIFO that the process itself has open for reading too: when the
// supervisor is killed, the process is not told so by SIGPIPE, and what it writes waits in the FIFO for the successor.
type output struct {
	streams []*stream
	tail    tail
	log     lineWriter
	pumps   sync.WaitGroup
}

type stream struct {
	name string
	path string
	file *os.File // the reading end
	cut  cutter
}

func fifoPaths(h *home, id ProcessID) [len(streamNames)]string {
	var paths [len(streamNames)]string
	for i, name := range streamNames {
		paths[i] = h.path(processesName, id.fileName()+"."+name)
	}
	return paths
}

// openOutput makes the FIFOs of a process that is to be started, and gives the ends that it writes to.
func openOutput(h *home, id ProcessID, launch Launch) (o *output, ends []*os.File, err error) {
	o = &output{}
	defer func() {
		if err != nil {
			closeAll(ends)
			o.remove()
		}
	}()
	for i, path := range fifoPaths(h, id) {
		if err := makeFIFO(path, launch); err != nil {
			return o, ends, err
		}
		end, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return o, ends, err
		}
		ends = append(ends, end)
		if err := o.open(streamNames[i], path); err != nil {
			return o, ends, err
		}
	}
	return o, ends, nil
}

// reopenOutput goes on reading the FIFOs of a process that runs already.
func reopenOutput(h *home, id ProcessID) *output {
	o := &output{}
	for i, path := range fifoPaths(h, id) {
		_ = o.open(streamNames[i], path) // without its FIFO it runs on, and is not heard
	}
	return o
}

// makeFIFO makes a FIFO that belongs to the user of the process, because many programs open /dev/stdout by its name.
func makeFIFO(path string, launch Launch) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return err
	}
	if credential := credentialOf(launch); credential != nil {
		return os.Chown(path, int(credential.Uid), int(credential.Gid))
	}
	return nil
}

func (o *output) open(name, path string) error {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	o.streams = append(o.streams, &stream{name: name, path: path, file: file})
	return nil
}

// pump brings lines to the log until all who write have gone, or the output is closed.
func (o *output) pump(id ProcessID, log lineWriter) {
	o.log = log
	for _, s := range o.streams {
		line := v1alpha1.LogLine{App: id.App, Process: id.Replica(), Release: id.Release, Stream: s.name}
		var lines []v1alpha1.LogLine
		o.pumps.Go(func() {
			s.pump(func(texts []string) {
				lines, line.Time = lines[:0], time.Now()
				for _, text := range texts {
					line.Text = text
					lines = append(lines, line)
					o.tail.add(text)
				}
				_ = log.WriteAll(lines) // a full disk is the log's own business: nothing here can wait for it
			})
		})
	}
}

// finish waits until everything that was written is in the log, and gives the FIFOs back.
func (o *output) finish() {
	deadline := time.Now().Add(lastOutput)
	for _, s := range o.streams {
		_ = s.file.SetReadDeadline(deadline)
	}
	o.pumps.Wait()
	_ = o.log.Close()
	o.remove()
}

// leave stops reading. The FIFOs stay, with what is in them.
func (o *output) leave() {
	for _, s := range o.streams {
		_ = s.file.SetReadDeadline(time.Now())
	}
	o.pumps.Wait()
	_ = o.log.Close()
	for _, s := range o.streams {
		_ = s.file.Close()
	}
}

func (o *output) remove() {
	for _, s := range o.streams {
		_ = s.file.Close()
		_ = os.Remove(s.path)
	}
}

func removeFIFOs(h *home, id ProcessID) {
	for _, path := range fifoPaths(h, id) {
		_ = os.Remove(path)
	}
}

// pump reads without taking: bytes leave the FIFO only when the lines they make are in the log. A supervisor that is killed in between
// leaves them to its successor, so that a line may be there twice but is never lost.
func (s *stream) pump(write func(texts []string)) {
	var look [2]int
	if unix.Pipe2(look[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return
	}
	defer func() { _, _ = unix.Close(look[0]), unix.Close(look[1]) }()
	connection, err := s.file.SyscallConn()
	if err != nil {
		return
	}
	var texts []string
	emit := func(text string) { texts = append(texts, text) }
	buffer := make([]byte, readSize)
	for {
		n := s.peek(connection, look, buffer)
		if n <= 0 {
			break
		}
		taken := s.cut.take(buffer[:n], emit)
		write(texts)
		texts = texts[:0]
		take(connection, buffer[:taken])
	}
	s.cut.finish(emit)
	write(texts)
}

// peek waits for bytes and copies them into buffer, and leaves them in the FIFO. It gives 0 at the end.
func (s *stream) peek(connection syscall.RawConn, look [2]int, buffer []byte) int {
	n := 0
	err := connection.Read(func(fd uintptr) bool {
		for {
			copied, err := unix.Tee(int(fd), look[1], len(buffer), unix.SPLICE_F_NONBLOCK)
			switch {
			case errors.Is(err, unix.EINTR):
			case errors.Is(err, unix.EAGAIN):
				return false
			case err != nil || copied == 0:
				return true
			default:
				n, _ = unix.Read(look[0], buffer)
				return true
			}
		}
	})
	if err != nil {
		return 0
	}
	return n
}

// take takes as many bytes out of the FIFO as scratch has; they are there.
func take(connection syscall.RawConn, scratch []byte) {
	_ = connection.Read(func(fd uintptr) bool {
		for len(scratch) > 0 {
			n, err := unix.Read(int(fd), scratch)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if n <= 0 || err != nil {
				return true
			}
			scratch = scratch[n:]
		}
		return true
	})
}

func closeAll(files []*os.File) {
	for _, file := range files {
		_ = file.Close()
	}
}

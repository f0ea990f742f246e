package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"sync"
	"syscall"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

const (
	// DefaultSize of one file, in bytes.
	DefaultSize = 10 << 20
	// MinSize of one file, in bytes.
	MinSize = 4 << 10
)

// WriterOptions say where lines go, and how much is kept.
type WriterOptions struct {
	Dir   string // of one process type of one app; made when it is not there
	Size  int64  // bytes of one file, at least MinSize; 0 for DefaultSize
	Files int    // that are kept beside the one being written; Size*(Files+1) bounds the bytes of all
}

// A Writer writes the lines of one process type. A directory has one writer at a time. Safe for concurrent use.
type Writer struct {
	dir string

	mu      sync.Mutex
	size    int64
	files   int
	file    io.WriteCloser
	number  int   // of the file
	written int64 // bytes in it
	torn    bool  // its last line has no end
	dropped int   // lines since the last one that could be written
	buffer  []byte
}

// OpenWriter opens a directory, and goes on after what is in it. The caller closes the writer.
func OpenWriter(options WriterOptions) (*Writer, error) {
	w := &Writer{dir: options.Dir}
	if err := w.start(); err != nil {
		return nil, fault.Wrap(kindOf(err), "write logs to", w.dir, err)
	}
	if err := w.Limit(options.Size, options.Files); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Limit changes how much is kept (see WriterOptions), from the next line on.
func (w *Writer) Limit(size int64, files int) error {
	if size == 0 {
		size = DefaultSize
	}
	if size < MinSize || files < 0 {
		return fault.New(fault.Invalid, "write logs to", w.dir, fmt.Sprintf("a log file has at least %d bytes", MinSize)).
			WithHint("choose a larger size in spec.logs, or leave it out")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.size, w.files = size, files
	w.trim(w.number)
	return nil
}

// Close ends writing; writing afterwards is an error.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.file.Close()
}

// Dropped gives how many lines were dropped since the last one that could be written.
func (w *Writer) Dropped() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Write appends one line; see WriteAll.
func (w *Writer) Write(line v1alpha1.LogLine) error { return w.WriteAll([]v1alpha1.LogLine{line}) }

// WriteAll appends lines, with one call to the system for all that fit into a file. What cannot be written, because the disk is full, is
// dropped and counted, and the error says so (Transient); the caller goes on. A line says how many are missing once there is room again.
func (w *Writer) WriteAll(lines []v1alpha1.LogLine) error {
	for _, line := range lines {
		if err := checkNames(line); err != nil {
			return err
		}
	}
	if len(lines) == 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var first error // one is enough: they all say the same
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	note(w.confess(lines[0]))
	for _, line := range lines {
		for text := range pieces(line.Text, int(min(MaxText, w.size-maxNames))) {
			note(w.add(line, text))
		}
	}
	note(w.flush())
	if first == nil {
		return nil
	}
	kind, hint := kindOf(first), ""
	if kind == fault.Transient {
		hint = "make room on the disk; the lines until then are lost"
	}
	return &fault.Error{Op: "write logs to", Item: w.dir, Kind: kind, Err: first, Hint: hint}
}

// confess writes how many lines are missing, if any.
func (w *Writer) confess(next v1alpha1.LogLine) error {
	missing := w.dropped
	if missing == 0 {
		return nil
	}
	next.Stream = "stderr"
	err := w.add(next, fmt.Sprintf("[setpoint] %d lines are missing here: they could not be written to the disk", missing))
	if err == nil {
		err = w.flush()
	}
	w.dropped = 0
	if err != nil {
		w.dropped = missing // the confession does not count
	}
	return err
}

// add puts a line into the buffer, after what is in it was written to a file that has no room for one more. An error is about the lines
// before, or about this one when there is no other file.
func (w *Writer) add(line v1alpha1.LogLine, text string) error {
	before := len(w.buffer)
	if before == 0 && w.torn {
		w.buffer = append(w.buffer, '\n')
	}
	w.buffer = appendLine(w.buffer, line, text)
	if w.written+int64(len(w.buffer)) <= w.size {
		return nil
	}
	w.buffer = w.buffer[:before]
	err := w.flush()
	if w.written > 0 {
		if failed := w.rotate(); failed != nil {
			w.dropped++
			return errors.Join(err, failed)
		}
	}
	w.buffer = appendLine(w.buffer, line, text)
	return err
}

// flush writes the buffer to the file. Lines that are written in part count as dropped.
func (w *Writer) flush() error {
	if len(w.buffer) == 0 {
		return nil
	}
	n, err := w.file.Write(w.buffer)
	w.written += int64(n)
	if n > 0 {
		w.torn = w.buffer[n-1] != '\n'
	}
	if err != nil {
		lost := bytes.TrimPrefix(w.buffer[n:], []byte{'\n'}) // the end of a torn line, or of the last one that was written
		w.dropped += bytes.Count(lost, []byte{'\n'})
	}
	w.buffer = w.buffer[:0]
	if cap(w.buffer) > 4*maxLine {
		w.buffer = nil
	}
	return err
}

// kindOf says whether trying again can help.
func kindOf(err error) fault.Kind {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EIO), errors.Is(err, syscall.EMFILE):
		return fault.Transient
	case errors.Is(err, os.ErrPermission):
		return fault.Denied
	case errors.Is(err, os.ErrClosed):
		return fault.Internal
	default:
		return fault.Transient
	}
}

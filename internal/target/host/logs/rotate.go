package logs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

const (
	dirMode  = 0o700 // the output of a process is nobody else's business
	fileMode = 0o600
)

// start opens the last file, or the first one.
func (w *Writer) start() error {
	if err := os.MkdirAll(w.dir, dirMode); err != nil {
		return err
	}
	if err := os.Chmod(w.dir, dirMode); err != nil {
		return err
	}
	found, err := numbers(w.dir)
	if err != nil {
		return err
	}
	w.number = 1
	if len(found) > 0 {
		w.number = found[len(found)-1]
	}
	return w.openLast()
}

// openLast opens the file of the present number. A line that a crash has left without its end gets one with the next line: readers ignore
// it, or show what there is of it.
func (w *Writer) openLast() error {
	file, err := os.OpenFile(fileName(w.dir, w.number), os.O_RDWR|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, fileMode)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	w.written, w.torn = info.Size(), false
	if w.written > 0 {
		last := []byte{0}
		if _, err := file.ReadAt(last, w.written-1); err != nil {
			return errors.Join(err, file.Close())
		}
		w.torn = last[0] != '\n'
	}
	w.file = file
	return nil
}

// rotate goes on with the next file. The oldest goes first, so that the bytes of all never exceed what is allowed, and there is room.
func (w *Writer) rotate() error {
	w.trim(w.number + 1)
	old := w.file
	w.number++
	if err := w.openLast(); err != nil {
		w.number--
		return err
	}
	return old.Close()
}

// trim removes the files that are too many once a number is the last. One that cannot be removed is tried again the next time.
func (w *Writer) trim(last int) {
	found, err := numbers(w.dir)
	if err != nil {
		return
	}
	for _, number := range found {
		if number < last-w.files {
			if err := os.Remove(fileName(w.dir, number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return
			}
		}
	}
}

package logs

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// skew is how far lines of a directory may be from the order of their times: the time is taken before a line waits to be written.
const skew = time.Minute

// A place is where reading stands, or ends.
type place struct {
	number int
	offset int64
}

// A stream reads the lines of one directory in the order in which they were written, through all of its files. It can be asked again once
// it has come to its end: then it goes on with what was written in the meantime.
type stream struct {
	dir   string
	query v1alpha1.LogQuery
	since time.Time // before which nothing matches, whatever the order

	known  []int            // the files at the beginning
	end    place            // of what was there at the beginning
	beyond bool             // go on after the end
	held   map[int]*os.File // that were opened already, so that they cannot go before they are read

	file   *os.File
	number int   // of the file
	offset int64 // up to which the file is in the buffer
	last   bool  // the file is complete, since there is a next one
	buffer []byte
	rest   []byte // the part of the buffer that is not read yet
	broken bool   // rest continues a line that is too long to be one
}

// openStream opens a directory at its first file that can have a line that is asked for.
func openStream(dir string, query v1alpha1.LogQuery) (*stream, error) {
	s := &stream{dir: dir, query: query, beyond: query.Follow, held: map[int]*os.File{}, buffer: make([]byte, 0, 2*block)}
	if !query.Since.IsZero() {
		s.since = query.Since.Add(-skew)
	}
	known, err := numbers(dir)
	if err != nil || len(known) == 0 {
		return s, err
	}
	s.known, s.end.number = known, known[len(known)-1]
	file, err := s.open(s.end.number)
	if file == nil {
		return s, err
	}
	s.held[s.end.number] = file
	s.end.offset = sizeOf(file)
	s.number = known[0]
	for _, number := range known[1:] {
		if first, ok := s.firstTime(number); !ok || !first.Before(s.since) {
			break
		}
		s.number = number // what is before it is older still
	}
	return s, nil
}

// firstTime gives the time of a file's first line.
func (s *stream) firstTime(number int) (time.Time, bool) {
	file, err := s.open(number)
	if err != nil || file == nil {
		return time.Time{}, false
	}
	s.held[number] = file
	start := make([]byte, len(timeLayout))
	n, _ := file.ReadAt(start, 0)
	return parseTime(start[:n])
}

func (s *stream) open(number int) (*os.File, error) {
	if file := s.held[number]; file != nil {
		return file, nil
	}
	return openFile(s.dir, number)
}

func (s *stream) close() {
	if s.file != nil {
		_ = s.file.Close()
	}
	for _, file := range s.held {
		_ = file.Close()
	}
}

// next gives the next line that is asked for, or says that there is none at the moment.
func (s *stream) next() (v1alpha1.LogLine, bool, error) {
	for {
		if line, complete := s.line(); complete {
			if parsed, ok := parseLine(line); ok && s.matches(parsed) {
				return parsed, true, nil
			}
			continue
		}
		more, err := s.fill()
		if err == nil && !more {
			more, err = s.advance()
		}
		if err != nil || !more {
			return v1alpha1.LogLine{}, false, err
		}
	}
}

// line takes the next complete line from the buffer.
func (s *stream) line() ([]byte, bool) {
	for {
		line, rest, complete := bytes.Cut(s.rest, []byte{'\n'})
		if !complete {
			if len(s.rest) > maxLine { // nothing that a writer wrote
				s.rest, s.broken = nil, true
			}
			return nil, false
		}
		s.rest = rest
		if !s.broken {
			return line, true
		}
		s.broken = false
	}
}

// fill reads more of the file into the buffer, and says whether there was any.
func (s *stream) fill() (bool, error) {
	if s.file == nil {
		return false, nil
	}
	size := int64(block)
	if !s.beyond && s.number == s.end.number {
		size = min(size, s.end.offset-s.offset)
	}
	if size <= 0 {
		return false, nil
	}
	s.buffer = append(s.buffer[:0], s.rest...)
	start := len(s.buffer)
	s.buffer = append(s.buffer, make([]byte, size)...)
	n, err := s.file.ReadAt(s.buffer[start:], s.offset)
	s.buffer = s.buffer[:start+n]
	s.rest, s.offset = s.buffer, s.offset+int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fault.Wrap(fault.Transient, "read logs in", s.dir, err)
	}
	return n > 0, nil
}

// advance goes on with the next file, if there is one, and says whether there can be more to read. That there is one means that nothing
// more is written to the present one; but something may have been since its end was seen, so it is read once more.
func (s *stream) advance() (bool, error) {
	if !s.beyond && s.file != nil && s.number >= s.end.number {
		return false, nil
	}
	if s.file != nil && !s.last {
		next, err := s.following(s.number + 1)
		s.last = next > 0
		return s.last, err
	}
	from := s.number // of the first file
	if s.file != nil {
		from++
	}
	number, err := s.following(from)
	if err != nil || number == 0 || !s.beyond && number > s.end.number {
		return false, err
	}
	file, err := s.open(number)
	if err != nil || file == nil {
		return err == nil, err // it has gone: the one after it is next
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	if number != s.number { // else it begins at a place in it
		s.offset = 0
	}
	delete(s.held, number)
	s.file, s.number, s.last, s.rest, s.broken = file, number, false, nil, false
	return true, nil
}

// following gives the first file from a number on that is there, or was opened while it was; 0 for none.
func (s *stream) following(from int) (int, error) {
	found, err := numbers(s.dir)
	first := 0
	for _, number := range slices.AppendSeq(found, maps.Keys(s.held)) {
		if number >= from && (first == 0 || number < first) {
			first = number
		}
	}
	return first, err
}

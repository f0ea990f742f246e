package logs

import (
	"bytes"
	"io"
	"os"
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// block is how much is read from a file at once, in bytes.
const block = 64 << 10

// backward visits the lines of the first size bytes of a file, the last one first, with where each begins, until visit says that it is
// enough. What stands after the last line break is no line yet.
func backward(file io.ReaderAt, size int64, visit func(line []byte, at int64) bool) error {
	var rest []byte // from position at to the break before the line that was visited last
	at, torn := size, true
	for at > 0 {
		n := min(block, at)
		at -= n
		more := make([]byte, n, n+int64(len(rest)))
		if _, err := file.ReadAt(more, at); err != nil {
			return err
		}
		rest = append(more, rest...)
		for i := bytes.LastIndexByte(rest, '\n'); i >= 0; i = bytes.LastIndexByte(rest, '\n') {
			line := rest[i+1:]
			rest = rest[:i]
			if !torn && !visit(line, at+int64(i)+1) {
				return nil
			}
			torn = false
		}
		if len(rest) > 2*maxLine { // nothing that a writer wrote
			rest, torn = nil, true
		}
	}
	if !torn {
		visit(rest, 0)
	}
	return nil
}

// Tail gives the texts of the last lines that one process of a release wrote, at most n, the oldest first. The directory is that of the
// process type, as in WriterOptions. It looks at the last few megabytes only, and gives what it can read.
func Tail(dir, process string, release, n int) []string {
	const far = 4 << 20
	found, _ := numbers(dir)
	var texts []string
	read := int64(0)
	for _, number := range slices.Backward(found) {
		if len(texts) >= n || read >= far {
			break
		}
		file, _ := openFile(dir, number)
		if file == nil {
			continue
		}
		size := sizeOf(file)
		_ = backward(file, size, func(line []byte, at int64) bool {
			parsed, ok := parseLine(line)
			if ok && parsed.Process == process && parsed.Release == release {
				texts = append(texts, parsed.Text)
			}
			return len(texts) < n && read+size-at < far
		})
		read += size
		_ = file.Close()
	}
	slices.Reverse(texts)
	return texts
}

func sizeOf(file *os.File) int64 {
	info, err := file.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// rewind sets a stream to where its last n lines begin, and gives how many there are.
func (s *stream) rewind(n int) (int, error) {
	count := 0
	for _, number := range slices.Backward(s.known) {
		file, err := s.open(number)
		if err != nil {
			return 0, err
		}
		if file == nil {
			continue // it went while others were read; what is older goes before it
		}
		size := sizeOf(file)
		if number == s.end.number {
			size = s.end.offset
		}
		early := false
		err = backward(file, size, func(line []byte, at int64) bool {
			parsed, ok := parseLine(line)
			if early = ok && parsed.Time.Before(s.since); early {
				return false
			}
			if ok && s.matches(parsed) {
				count++
				s.number, s.offset = number, at
			}
			return count < n
		})
		if err != nil {
			return 0, fault.Wrap(fault.Transient, "read logs in", s.dir, err)
		}
		s.held[number] = file
		if early || count == n {
			break
		}
	}
	if count == 0 { // nothing of what is there
		s.number, s.offset = s.end.number, s.end.offset
	}
	return count, nil
}

// matches says whether a line is asked for.
func (s *stream) matches(line v1alpha1.LogLine) bool {
	return !line.Time.Before(s.query.Since) && wants(s.query.Process, line.Process)
}

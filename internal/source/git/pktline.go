package git

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// The kinds of frame in Git's wire format (gitprotocol-common, gitprotocol-v2).
const (
	frameFlush = iota
	frameDelim
	frameEnd
	frameData
)

// frames reads length-prefixed frames. What next gives is valid until the following call.
type frames struct {
	r   *bufio.Reader
	buf []byte
}

func newFrames(r io.Reader) *frames { return &frames{r: bufio.NewReaderSize(r, 64<<10)} }

func (f *frames) next() (kind int, data []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return 0, nil, err
	}
	length, err := strconv.ParseUint(string(head[:]), 16, 16)
	if err != nil {
		return 0, nil, errNotGit
	}
	switch {
	case length == 0:
		return frameFlush, nil, nil
	case length == 1:
		return frameDelim, nil, nil
	case length == 2:
		return frameEnd, nil, nil
	case length < 4:
		return 0, nil, errNotGit
	}
	if f.buf == nil {
		f.buf = make([]byte, 65536)
	}
	data = f.buf[:length-4]
	if _, err := io.ReadFull(f.r, data); err != nil {
		return 0, nil, err
	}
	if text, ok := bytes.CutPrefix(data, []byte("ERR ")); ok {
		return 0, nil, &serverError{text: oneLine(text)}
	}
	return frameData, data, nil
}

// line is next without the newline at the end.
func (f *frames) line() (kind int, text string, err error) {
	kind, data, err := f.next()
	return kind, string(bytes.TrimSuffix(data, []byte("\n"))), err
}

// message builds a request out of frames.
type message struct{ bytes.Buffer }

func (m *message) linef(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Fprintf(m, "%04x%s\n", len(text)+5, text)
}

func (m *message) flush() { m.WriteString("0000") }
func (m *message) delim() { m.WriteString("0001") }

// sideband gives the pack out of a fetch's response, of protocol version 0 or 2: what comes before it (shallow and
// acknowledgement lines, section names) is passed over, since the store keeps no history and needs none of it.
type sideband struct {
	frames  *frames
	rest    []byte
	started bool
	done    bool
}

func (s *sideband) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.done {
			return 0, io.EOF
		}
		if err := s.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *sideband) advance() error {
	kind, data, err := s.frames.next()
	switch {
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	case kind != frameData:
		s.done = s.started && kind == frameFlush
		return nil
	case len(data) == 0:
		return nil
	}
	switch data[0] {
	case 1:
		s.started, s.rest = true, data[1:]
	case 3:
		return &serverError{text: oneLine(data[1:])}
	}
	return nil
}

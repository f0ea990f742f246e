package supervise

import (
	"bytes"
	"strings"
	"sync"
)

// The bounds of output: of one line, which is cut there, and of what is kept to show with the end of a process.
const (
	maxLine     = 64 << 10
	tailLines   = 20
	tailBytes   = 4 << 10
	replacement = "\uFFFD" // for bytes that are not UTF-8
)

// cutter cuts a stream of bytes into lines.
type cutter struct {
	pending []byte // of a line whose end has not come yet
}

// take emits the lines that end in data. It gives how many bytes of data are done with: those after the last end of a line are left
// where they are, unless there is no other, so that whoever writes whole lines loses none however the reader ends.
func (c *cutter) take(data []byte, emit func(text string)) int {
	end := bytes.LastIndexByte(data, '\n') + 1
	if end == 0 {
		c.hold(data, emit)
		return len(data)
	}
	for line := range bytes.Lines(data[:end]) {
		c.hold(line[:len(line)-1], emit)
		c.flush(emit)
	}
	return end
}

// hold adds to the pending line, and cuts it where it is too long.
func (c *cutter) hold(data []byte, emit func(text string)) {
	for len(c.pending)+len(data) > maxLine {
		room := maxLine - len(c.pending)
		c.pending = append(c.pending, data[:room]...)
		data = data[room:]
		c.flush(emit)
	}
	c.pending = append(c.pending, data...)
}

// flush emits the pending line, though it be empty.
func (c *cutter) flush(emit func(text string)) {
	emit(strings.ToValidUTF8(string(c.pending), replacement))
	c.pending = c.pending[:0]
}

// finish emits what is left when a stream ends without the end of a line.
func (c *cutter) finish(emit func(text string)) {
	if len(c.pending) > 0 {
		c.flush(emit)
	}
}

// tail keeps the last lines of a process. Safe for concurrent use.
type tail struct {
	mu    sync.Mutex
	lines []string
	size  int
}

func (t *tail) add(line string) {
	if len(line) > tailBytes {
		line = strings.ToValidUTF8(line[:tailBytes], "")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines, t.size = append(t.lines, line), t.size+len(line)
	for len(t.lines) > tailLines || t.size > tailBytes {
		t.size -= len(t.lines[0])
		t.lines = t.lines[1:]
	}
}

func (t *tail) get() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.lines...)
}

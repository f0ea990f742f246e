package document

import (
	"bytes"
	"iter"
	"strings"
)

// part is the text of one document, with the line of the file on which it begins, from 1.
type part struct {
	text []byte
	line int
}

// split cuts a file at its document markers, so that a document which is broken does not hide the others. A line that begins
// with "---" is a marker wherever it stands: YAML allows it in no scalar. Parts with nothing but comments are left out.
func split(data []byte) iter.Seq[part] {
	return func(yield func(part) bool) {
		line, start, startLine := 1, 0, 1
		for at := 0; at < len(data); {
			end := len(data)
			if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
				end = at + i + 1
			}
			if at > start && isMarker(data[at:end]) {
				if p := (part{data[start:at], startLine}); !p.empty() && !yield(p) {
					return
				}
				start, startLine = at, line
			}
			at, line = end, line+1
		}
		if p := (part{data[start:], startLine}); !p.empty() {
			yield(p)
		}
	}
}

// isMarker says whether a line starts a document.
func isMarker(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("---")) {
		return false
	}
	return len(line) == 3 || strings.IndexByte(" \t\r\n", line[3]) >= 0
}

// empty says whether there are only blank lines, comments, markers and directives.
func (p part) empty() bool {
	for line := range bytes.Lines(p.text) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0, line[0] == '#', line[0] == '%':
		case string(line) == "---", string(line) == "...":
		case bytes.HasPrefix(line, []byte("--- #")):
		default:
			return false
		}
	}
	return true
}

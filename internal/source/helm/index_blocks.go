package helm

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// errNotBlocks says that an index is not written in the blocks that Helm writes.
var errNotBlocks = errors.New("the index is not written in blocks")

// maxLine is what is kept of a line, and maxFields what is kept of an entry, in bytes. An entry that has longer fields among those that are
// wanted is left out.
const (
	maxLine   = 64 << 10
	maxFields = 64 << 10
)

// readBlocks reads an index line by line:
//
//	entries:
//	  podinfo:          # the charts
//	  - version: 6.9.4  # the items: one entry each
//	    urls:           # its fields
//	    - podinfo-6.9.4.tgz
//
// The lines of the fields that are wanted go to the YAML parser entry by entry; all others are passed over, and so cost no memory and
// little time. Whatever does not fit into this picture is errNotBlocks.
func readBlocks(from io.Reader) (*index, error) {
	b := blocks{index: &index{charts: map[string][]version{}}, charts: unknown}
	in := bufio.NewReaderSize(from, maxLine)
	for {
		text, err := in.ReadSlice('\n')
		cut := errors.Is(err, bufio.ErrBufferFull)
		if err := b.line(text, cut); err != nil {
			return nil, err
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		switch {
		case errors.Is(err, io.EOF):
			if err := b.flush(); err != nil {
				return nil, err
			}
			if !b.seen {
				return nil, errNotBlocks
			}
			return b.index, nil
		case err != nil:
			return nil, err
		}
	}
}

// unknown is an indentation that the next line tells.
const unknown = -1

// blocks is where a reading is.
type blocks struct {
	index  *index
	seen   bool // "entries" was there
	inside bool // it is what is being read
	charts int  // the indentation of the charts' names
	chart  string
	items  int // the indentation of the dashes before entries
	fields int // the indentation of the fields of an entry
	entry  bool
	text   []byte // of the wanted fields of the entry
	keep   bool   // the field that is being read is wanted
	long   bool   // it is too long to be kept
}

// line takes the next line in. Of one that is cut, only the beginning is there.
func (b *blocks) line(text []byte, cut bool) error {
	body := bytes.TrimLeft(text, " ")
	indent := len(text) - len(body)
	body = bytes.TrimRight(body, "\r\n")
	switch {
	case len(bytes.TrimSpace(body)) == 0, body[0] == '#':
		b.aside(indent, body, cut)
		return nil
	case body[0] == '\t':
		return errNotBlocks
	case indent == 0:
		return b.top(body)
	case !b.inside:
		return nil
	case b.charts == unknown:
		b.charts = indent
	}
	switch {
	case indent < b.charts:
		return errNotBlocks
	case indent == b.charts && !isItem(body):
		return b.named(body)
	case b.chart != "" && isItem(body) && (b.items == unknown || indent == b.items):
		return b.item(indent, body, cut)
	case !b.entry || indent <= b.items:
		return errNotBlocks
	}
	return b.inEntry(indent, body, cut)
}

// top takes a line of the outermost mapping.
func (b *blocks) top(body []byte) error {
	if err := b.flush(); err != nil {
		return err
	}
	if isItem(body) {
		if b.inside {
			return errNotBlocks
		}
		return nil // a list below a key that does not count
	}
	key, rest, ok := cutKey(body)
	if !ok {
		if string(body) == "---" && !b.seen {
			return nil
		}
		return errNotBlocks
	}
	b.inside = key == "entries"
	if b.inside {
		if b.seen || rest != "" && rest != "{}" {
			return errNotBlocks
		}
		b.seen = true
	}
	return nil
}

// named begins a chart.
func (b *blocks) named(body []byte) error {
	if err := b.flush(); err != nil {
		return err
	}
	key, rest, ok := cutKey(body)
	_, twice := b.index.charts[key]
	if !ok || twice || rest != "" && rest != "[]" {
		return errNotBlocks
	}
	b.index.charts[key] = nil
	b.chart, b.items = key, unknown
	return nil
}

// item begins an entry.
func (b *blocks) item(indent int, body []byte, cut bool) error {
	if err := b.flush(); err != nil {
		return err
	}
	field := bytes.TrimLeft(body[1:], " ")
	b.entry, b.items, b.fields = true, indent, unknown
	if len(field) == 0 || field[0] == '#' {
		return nil
	}
	return b.inEntry(indent+len(body)-len(field), field, cut)
}

// inEntry takes a line of an entry: a field, or what belongs to the one before.
func (b *blocks) inEntry(indent int, body []byte, cut bool) error {
	if b.fields == unknown {
		b.fields = indent
	}
	switch {
	case indent < b.fields:
		return errNotBlocks
	case indent == b.fields && !isItem(body):
		key, _, ok := cutKey(body)
		if !ok {
			return errNotBlocks
		}
		b.keep = wanted[key]
	}
	if !b.keep {
		return nil
	}
	b.append(indent, body, cut)
	return nil
}

// aside takes a line that is blank or looks like a comment: within a text it may be part of that.
func (b *blocks) aside(indent int, body []byte, cut bool) {
	if b.keep && (len(body) == 0 || indent > b.fields) {
		b.append(max(indent, b.fields), body, cut)
	}
}

func (b *blocks) append(indent int, body []byte, cut bool) {
	if b.long = b.long || cut || len(b.text)+len(body)+indent > maxFields; !b.long {
		b.text = append(b.text, bytes.Repeat([]byte(" "), indent-b.fields)...)
		b.text = append(append(b.text, body...), '\n')
	}
}

// flush ends the entry that is being read.
func (b *blocks) flush() error {
	text, long := b.text, b.long
	there := b.entry
	b.entry, b.keep, b.long, b.text = false, false, false, b.text[:0]
	if !there || long {
		return nil
	}
	if e, ok := simple(text); ok {
		return b.index.add(b.chart, e)
	}
	var e entry
	err := decodeYAML(func() error { return yaml.Unmarshal(text, &e) })
	var wrongType *yaml.TypeError
	switch {
	case errors.As(err, &wrongType):
		return nil // it is YAML, and no entry
	case err != nil:
		return errNotBlocks
	}
	return b.index.add(b.chart, e)
}

func isItem(body []byte) bool { return body[0] == '-' && (len(body) == 1 || body[1] == ' ') }

var keyForm = regexp.MustCompile(`^(?:([A-Za-z0-9_][A-Za-z0-9_./-]*)|"([A-Za-z0-9_./-]+)"|'([A-Za-z0-9_./-]+)'):(?:[ \t]+(.*))?$`)

// cutKey takes a line of a mapping apart: its key, and what stands behind it on the line without a comment.
func cutKey(body []byte) (key, rest string, ok bool) {
	found := keyForm.FindSubmatch(body)
	if found == nil {
		return "", "", false
	}
	after := bytes.TrimSpace(found[4])
	if len(after) > 0 && after[0] == '#' {
		after = nil
	}
	return string(found[1]) + string(found[2]) + string(found[3]), string(after), true
}

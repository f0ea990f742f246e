package helm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// readIndex reads an index. One that is written as Helm writes it, in blocks, takes memory for what is kept of it alone, however long it
// is; JSON, and any other YAML, has to be short.
func readIndex(from io.Reader) (*index, error) {
	start := &prefix{limit: maxJSON}
	x, err := readBlocks(io.TeeReader(from, start))
	if !errors.Is(err, errNotBlocks) {
		return x, err
	}
	if _, err := io.Copy(start, from); err != nil { // what TeeReader has not seen yet
		return nil, err
	}
	data := start.bytes.Bytes()
	switch {
	case !start.exceeded && json.Valid(data):
		return readJSON(json.NewDecoder(bytes.NewReader(data)))
	case start.exceeded || len(data) > maxFlow:
		return nil, tooLong(fmt.Sprintf("the index is longer than %d MiB, and not written as Helm writes it", maxFlow>>20))
	}
	return readYAML(data)
}

// prefix keeps what is written to it up to a limit, and nothing once that is exceeded.
type prefix struct {
	limit    int
	bytes    bytes.Buffer
	exceeded bool
}

func (p *prefix) Write(data []byte) (int, error) {
	if p.exceeded = p.exceeded || p.bytes.Len()+len(data) > p.limit; p.exceeded {
		p.bytes = bytes.Buffer{}
	} else {
		p.bytes.Write(data)
	}
	return len(data), nil
}

var errNoEntries = notAnIndex("it is no index of charts: it has no entries")

// readJSON reads an index in JSON that is known to be valid, entry by entry. One that is not as it should be is left out, as Helm does it.
func readJSON(in *json.Decoder) (*index, error) {
	x := &index{charts: map[string][]version{}}
	found := false
	err := members(in, '{', func(key string) error {
		if found || key != "entries" {
			return in.Decode(&json.RawMessage{})
		}
		found = true
		return members(in, '{', func(chart string) error {
			x.charts[chart] = nil
			return members(in, '[', func(string) error {
				e, ok := readEntry(in)
				if !ok {
					return nil
				}
				return x.add(chart, e)
			})
		})
	})
	if err == nil && !found {
		err = errNoEntries
	}
	return x, err
}

// readEntry reads an entry of JSON; ok is false for one that is not as it should be.
func readEntry(in *json.Decoder) (e entry, ok bool) {
	ok = in.Decode(&e) == nil
	return e, ok
}

// members goes through an object or a list.
func members(in *json.Decoder, open json.Delim, each func(key string) error) error {
	if begin, err := in.Token(); err != nil || begin != open {
		return errNoEntries
	}
	for in.More() {
		key := ""
		if open == '{' {
			token, err := in.Token()
			if err != nil {
				return errNoEntries
			}
			key, _ = token.(string)
		}
		if err := each(key); err != nil {
			return err
		}
	}
	_, err := in.Token()
	return err
}

// one takes turns: a tree of YAML takes much more memory than it has bytes.
var one = make(chan struct{}, 1)

// readYAML reads a short index as a whole. Entries that are not as they should be are left out.
func readYAML(data []byte) (*index, error) {
	one <- struct{}{}
	defer func() { <-one }()
	var file struct {
		Entries map[string][]yaml.Node `yaml:"entries"`
	}
	if err := decodeYAML(func() error { return yaml.Unmarshal(data, &file) }); err != nil {
		return nil, notAnIndex("it is no index of charts in YAML")
	}
	if file.Entries == nil {
		return nil, errNoEntries
	}
	x := &index{charts: make(map[string][]version, len(file.Entries))}
	for chart, nodes := range file.Entries {
		x.charts[chart] = nil
		for _, node := range nodes {
			var e entry
			if decodeYAML(func() error { return node.Decode(&e) }) != nil {
				continue
			}
			if err := x.add(chart, e); err != nil {
				return nil, err
			}
		}
	}
	return x, nil
}

// decodeYAML keeps a panic of the library, which some broken input causes, from ending the agent.
func decodeYAML(decode func() error) (err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = errNotBlocks
		}
	}()
	return decode()
}

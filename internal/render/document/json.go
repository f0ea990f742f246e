package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readJSON reads one JSON value after the other into the same node trees as YAML, so that lines, duplicate keys and bounds are
// treated alike.
func (r *reader) readJSON(data []byte) {
	in := jsonReader{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), line: 1}
	in.decoder.UseNumber()
	for {
		start := in.decoder.InputOffset()
		node, err := in.next(0)
		if errors.Is(err, io.EOF) {
			return
		}
		r.count++
		if err != nil {
			r.fail(in.lineOf(in.decoder.InputOffset()), strings.TrimPrefix(err.Error(), "json: "), "")
			return
		}
		if in.decoder.InputOffset()-start > MaxBytes {
			r.fail(node.Line, fmt.Sprintf("the document is longer than %d MiB", MaxBytes>>20), hintNotManifest)
			continue
		}
		r.add(node, 0)
	}
}

// jsonReader makes nodes of tokens, and counts lines on the way.
type jsonReader struct {
	data    []byte
	decoder *json.Decoder
	counted int64
	line    int
}

// lineOf gives the line of an offset, which never goes back.
func (in *jsonReader) lineOf(offset int64) int {
	if offset > in.counted {
		in.line += bytes.Count(in.data[in.counted:offset], []byte("\n"))
		in.counted = offset
	}
	return in.line
}

// next reads one value. io.EOF before its first token means that there is none; within it, that it is cut off.
func (in *jsonReader) next(depth int) (*yaml.Node, error) {
	token, err := in.decoder.Token()
	if err != nil {
		return nil, in.cutOff(err, depth)
	}
	node := &yaml.Node{Kind: yaml.ScalarNode, Line: in.lineOf(in.decoder.InputOffset())}
	switch token := token.(type) {
	case json.Delim:
		return node, in.fill(node, token, depth)
	case string:
		node.Value, node.Style = token, yaml.DoubleQuotedStyle
	case json.Number:
		node.Value, node.Tag = token.String(), tagNumber
	case bool:
		node.Value = fmt.Sprint(token)
	case nil:
		node.Value = "null"
	}
	return node, nil
}

// fill reads the members of an object or array up to its end.
func (in *jsonReader) fill(node *yaml.Node, open json.Delim, depth int) error {
	if depth >= MaxDepth {
		return fmt.Errorf("nested deeper than %d levels", MaxDepth)
	}
	node.Kind = yaml.SequenceNode
	if open == '{' {
		node.Kind = yaml.MappingNode
	}
	for in.decoder.More() {
		item, err := in.next(depth + 1)
		if err != nil {
			return err
		}
		node.Content = append(node.Content, item)
	}
	_, err := in.decoder.Token()
	return in.cutOff(err, depth+1)
}

func (in *jsonReader) cutOff(err error, depth int) error {
	if depth > 0 && errors.Is(err, io.EOF) {
		return errors.New("the file ends within a value")
	}
	return err
}

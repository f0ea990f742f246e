package confined

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// What both sides say, one byte each: the parent begins with what is to be evaluated; the process asks for files and is answered, one
// question at a time; it ends with its objects, or with its errors.
const (
	toEvaluate byte = 'E' // parent: order
	toRead     byte = 'R' // process: a path
	toList     byte = 'L' // process: a path
	toStat     byte = 'S' // process: a path
	isContent  byte = 'C' // parent: the bytes of a file
	isEntries  byte = 'D' // parent: []entry
	isMissing  byte = 'M' // parent: there is nothing
	isRefused  byte = 'X' // parent: why it cannot be read
	isObject   byte = 'O' // process: Object
	isFailure  byte = 'F' // process: []problem, the last message
	isEnd      byte = 'Z' // process: the last message when all went well
)

// order is what a process is to evaluate.
type order struct {
	Kind    string          `json:"kind"`
	Limits  Limits          `json:"limits"`
	Request json.RawMessage `json:"request"`
}

// entry is one name in a directory, or what is at a path.
type entry struct {
	Name string `json:"name"`
	Dir  bool   `json:"dir,omitempty"`
	Size int64  `json:"size,omitempty"`
}

// problem is one error of an evaluation.
type problem struct {
	Op    string `json:"op"`
	Item  string `json:"item"`
	Cause string `json:"cause"`
	Hint  string `json:"hint,omitempty"`
}

var errFrame = errors.New("the other side does not keep to the protocol")

// send writes one message: its kind, its length, its bytes.
func send(to io.Writer, kind byte, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("a message of %d bytes is too long", len(payload))
	}
	head := [5]byte{kind}
	binary.BigEndian.PutUint32(head[1:], uint32(len(payload)))
	if _, err := to.Write(append(head[:], payload...)); err != nil {
		return err
	}
	return nil
}

// sendJSON writes a value.
func sendJSON(to io.Writer, kind byte, value any) error {
	payload, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return send(to, kind, payload)
}

// receive reads one message. Memory is taken as the bytes arrive, so that a length alone takes none.
func receive(from io.Reader) (kind byte, payload []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return 0, nil, err
	}
	length := int64(binary.BigEndian.Uint32(head[1:]))
	if length > maxFrame {
		return 0, nil, errFrame
	}
	payload, err = io.ReadAll(io.LimitReader(from, length))
	if err == nil && int64(len(payload)) < length {
		err = io.ErrUnexpectedEOF
	}
	return head[0], payload, err
}

package journal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"hash/crc32"
	"slices"
	"strconv"
	"unique"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/seal"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The log is lines of JSON, each behind its CRC32C in eight hexadecimal digits and a space. The first line says the format. Each further
// line is what one write made durable: as the next write begins only after it, a crash can leave nothing torn but the last line.
//
// Since format 2 the data of records is sealed, as it holds what apps and commands are started with, and so is what was kept of files.
// Format 1 is read, and written anew.
const currentFormat = 2

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// line is one line of the log.
type line struct {
	Format  int      `json:"format,omitempty"`  // of the log; in its first line, which has nothing else
	Changes []change `json:"changes,omitempty"` // in the order in which they happened
}

// change is one record put, or one ID deleted.
type change struct {
	Put    *Record   `json:"put,omitempty"`
	Delete *state.ID `json:"delete,omitempty"`
	Sealed []byte    `json:"sealed,omitempty"` // the data of the record, as it is in the log

	text  []byte // itself as JSON, when it is about to be written
	bytes int64  // that it takes in the log, about
}

func (c change) id() state.ID {
	if c.Put != nil {
		return c.Put.ID
	}
	return *c.Delete
}

// purpose is what the journal's data is sealed for.
const purpose = "journal"

// putting makes the change that remembers a record. The record is copied, its Data in the form in which it will be read back, so that
// equal data is equal bytes.
func putting(record Record, box seal.Box) (change, error) {
	refuse := func(cause string) (change, error) {
		return change{}, fault.New(fault.Internal, "remember", record.ID.String(), cause)
	}
	if record.ID.Kind == "" || record.ID.Name == "" || record.Owner == (state.Owner{}) {
		return refuse("a record needs an object and an owner")
	}
	if record.Data != nil {
		var compact bytes.Buffer
		if err := json.Compact(&compact, record.Data); err != nil {
			return refuse("its data is not JSON")
		}
		record.Data = bytes.Clone(compact.Bytes())
	}
	record.Blobs = slices.Clone(record.Blobs)
	return encode(change{Put: &record}, box)
}

func deleting(id state.ID) (change, error) { return encode(change{Delete: &id}, seal.Box{}) }

func encode(c change, box seal.Box) (change, error) {
	var text bytes.Buffer
	written := c
	if box.Locks() && c.Put != nil && c.Put.Data != nil {
		open := *c.Put
		open.Data = nil
		written.Put, written.Sealed = &open, box.Seal(c.Put.Data, open.ID.String())
	}
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // or Data would be read back as other bytes
	if err := encoder.Encode(written); err != nil {
		return change{}, fault.Wrap(fault.Internal, "remember", c.id().String(), err)
	}
	c.text = bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	c.bytes = int64(len(lineStart) + len(c.text) + len(lineEnd) + frame)
	return c, nil
}

// firstLine begins every log.
func firstLine() []byte { return framed([]byte(`{"format":` + strconv.Itoa(currentFormat) + `}`)) }

const (
	lineStart = `{"changes":[`
	lineEnd   = `]}`
	frame     = len("01234567 ") + len("\n") // around each line
)

// lineOf gives the line that makes changes durable.
func lineOf(changes []change) []byte {
	body := []byte(lineStart)
	for i, c := range changes {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, c.text...)
	}
	return framed(append(body, lineEnd...))
}

// framed puts the checksum before a line and its end behind it.
func framed(body []byte) []byte {
	sum := crc32.Checksum(body, castagnoli)
	out := make([]byte, 0, len(body)+frame)
	out = hex.AppendEncode(out, []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
	out = append(out, ' ')
	out = append(out, body...)
	return append(out, '\n')
}

// parse reads a line with its end; false when it is not what was once written.
func parse(text []byte) (line, bool) {
	var parsed line
	if len(text) < frame || text[8] != ' ' || text[len(text)-1] != '\n' {
		return parsed, false
	}
	sum, err := strconv.ParseUint(string(text[:8]), 16, 32)
	body := text[9 : len(text)-1]
	if err != nil || uint32(sum) != crc32.Checksum(body, castagnoli) {
		return parsed, false
	}
	if err := json.Unmarshal(body, &parsed); err != nil {
		return parsed, false
	}
	for i, c := range parsed.Changes {
		if (c.Put == nil) == (c.Delete == nil) {
			return parsed, false
		}
		parsed.Changes[i].bytes = int64(len(text) / len(parsed.Changes))
		parsed.Changes[i].intern()
	}
	return parsed, true
}

// unseal puts the data of a record back in its place.
func (c *change) unseal(box seal.Box) error {
	if c.Sealed == nil || c.Put == nil {
		return nil
	}
	data, err := box.Open(c.Sealed, c.Put.ID.String())
	c.Put.Data, c.Sealed = data, nil
	return err
}

// intern lets records share the words that most of them have in common: a journal may have many thousands.
func (c *change) intern() {
	if c.Put != nil {
		for _, word := range []*string{&c.Put.ID.Group, &c.Put.ID.Kind, &c.Put.ID.Namespace, &c.Put.Owner.Agent, &c.Put.Owner.Sync} {
			*word = unique.Make(*word).Value()
		}
	}
}

// equal says whether two records, read or about to be written, say the same.
func (r Record) equal(other Record) bool {
	return r.ID == other.ID && r.Owner == other.Owner && r.Declared == other.Declared && r.Wave == other.Wave && r.Keep == other.Keep &&
		slices.Equal(r.Blobs, other.Blobs) && bytes.Equal(r.Data, other.Data)
}

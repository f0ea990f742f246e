package sops

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/getsops/sops/v3"
)

// emit writes plaintext as SOPS does, byte for byte. JSON is written here: the library takes a time that grows with the square of the
// number of values.
func (d document) emit(store sops.Store, branches sops.TreeBranches) ([]byte, error) {
	if len(branches) == 0 {
		return nil, errNoTree
	}
	if d.format != asJSON {
		return store.EmitPlainFile(branches)
	}
	var flat, text bytes.Buffer
	if err := writeJSON(&flat, branches[0]); err != nil {
		return nil, err
	}
	if err := json.Indent(&text, flat.Bytes(), "", "\t"); err != nil {
		return nil, err
	}
	text.WriteByte('\n')
	return text.Bytes(), nil
}

// writeJSON writes a value, with fields in their order and without comments.
func writeJSON(to *bytes.Buffer, value any) error {
	switch v := value.(type) {
	case sops.TreeBranch:
		to.WriteByte('{')
		separator := ""
		for _, item := range v {
			if _, isComment := item.Key.(sops.Comment); isComment {
				continue
			}
			name, err := json.Marshal(fmt.Sprint(item.Key))
			if err != nil {
				return err
			}
			to.WriteString(separator)
			separator = ","
			to.Write(name)
			to.WriteString(": ")
			if err := writeJSON(to, item.Value); err != nil {
				return err
			}
		}
		to.WriteByte('}')
		return nil
	case []any:
		to.WriteByte('[')
		separator := ""
		for _, item := range v {
			if _, isComment := item.(sops.Comment); isComment {
				continue
			}
			to.WriteString(separator)
			separator = ","
			if err := writeJSON(to, item); err != nil {
				return err
			}
		}
		to.WriteByte(']')
		return nil
	}
	data, err := json.Marshal(value)
	to.Write(data)
	return err
}

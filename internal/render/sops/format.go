package sops

import (
	"bytes"
	"fmt"
	"path"
	"regexp"

	"github.com/setpoint-dev/setpoint/internal/fault"
	documents "github.com/setpoint-dev/setpoint/internal/render/document"
)

// format is how a SOPS document is written.
type format int

const (
	none format = iota
	asYAML
	asJSON
	asBinary
	asDotenv
	asINI
)

// metadata is the key that a SOPS document has its metadata under.
const metadata = "sops"

var (
	sealed     = []byte("ENC[AES256_GCM,")
	keyAtTop   = regexp.MustCompile(`(?m)^["']?sops["']?\s*:|^\s+"sops"\s*:|^\[sops\]|^sops_mac=`)
	envLines   = regexp.MustCompile(`(?m)^sops_(mac|version|lastmodified)=`)
	iniSection = regexp.MustCompile(`(?m)^\s*\[sops\]\s*$`)
	iniLine    = regexp.MustCompile(`(?m)^\s*(mac|lastmodified)\s*=`)
)

// formatOf tells how a file is a SOPS document; none for every other file. What looks like one and cannot be is an error, so that
// ciphertext is never taken for content.
func formatOf(name string, data []byte) (format, error) {
	if !bytes.Contains(data, []byte(metadata)) {
		return none, nil
	}
	if len(data) > maxDocument {
		if bytes.Contains(data, sealed) && keyAtTop.Match(data) {
			return none, tooMuch(name, fmt.Sprintf("it is longer than %d MiB", maxDocument>>20))
		}
		return none, nil
	}
	as, err := structured(name, data)
	if as != none || err != nil {
		return as, err
	}
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return none, nil
	}
	switch {
	case len(envLines.FindAllIndex(data, 2)) == 2:
		return asDotenv, nil
	case iniSection.Match(data) && iniLine.Match(data):
		return asINI, nil
	}
	return none, nil
}

// structured is formatOf for YAML and JSON, read exactly as manifests are read.
func structured(name string, data []byte) (format, error) {
	trees, err := documents.Parse(data, name)
	marked := 0
	for _, tree := range trees {
		if isSealed(tree.Value) {
			marked++
		}
	}
	switch {
	case marked == 0 && err != nil && bytes.Contains(data, sealed) && keyAtTop.Match(data):
		return none, broken(name, "it looks like a SOPS document, and cannot be read as one")
	case marked == 0:
		return none, nil
	case err != nil:
		return none, broken(name, "it has documents that cannot be read")
	case marked != len(trees):
		return none, fault.New(fault.Invalid, "decrypt", name, "only some of its documents are encrypted by SOPS").
			WithHint("encrypt the file as a whole, or put the others into a file of their own")
	}
	return shapeOf(name, data, trees), nil
}

// isSealed says whether a document has the metadata of SOPS.
func isSealed(value any) bool {
	fields, _ := value.(map[string]any)
	meta, isMap := fields[metadata].(map[string]any)
	if !isMap {
		return false
	}
	_, mac := meta["mac"]
	_, modified := meta["lastmodified"]
	return mac || modified
}

// shapeOf tells the formats of YAML and JSON apart: by the file's name as SOPS itself does, and where that says nothing by what is there.
func shapeOf(name string, data []byte, trees []documents.Tree) format {
	isJSON := bytes.HasPrefix(bytes.TrimLeft(data, "\xef\xbb\xbf \t\r\n"), []byte("{"))
	switch path.Ext(name) {
	case ".yaml", ".yml":
		return asYAML
	case ".json":
		return asJSON
	}
	fields, _ := trees[0].Value.(map[string]any)
	_, whole := fields["data"].(string)
	switch {
	case !isJSON:
		return asYAML
	case whole && len(fields) == 2:
		return asBinary
	}
	return asJSON
}

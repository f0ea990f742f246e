package explain

import (
	"fmt"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
)

// Kind of a place.
type Kind string

// The kinds of places.
const (
	Manifest  Kind = "manifest"  // a file that declares the object
	Patch     Kind = "patch"     // one that a kustomization applies
	Overlay   Kind = "overlay"   // a field of a kustomization
	Generator Kind = "generator" // what a kustomization makes an object of
	Template  Kind = "template"  // of a chart
	Value     Kind = "value"     // of a chart
	Variable  Kind = "variable"  // that was substituted
	Imported  Kind = "import"    // what a kustomization has of elsewhere
	Content   Kind = "content"   // a file that an object takes its content from
	Program   Kind = "program"   // what is evaluated: Jsonnet, CUE
)

// Place is where something comes from. Places are compared by ==.
type Place struct {
	// File inside the artifact, or inside the import; empty when it is in no file.
	File string `json:"file,omitempty"`
	// Line from 1; 0 when it is not known.
	Line int  `json:"line,omitempty"`
	Kind Kind `json:"kind"`
	// Import names what the file was imported from, as in "base 1.4.0@1a2b3c4"; empty when it is of the artifact itself.
	Import string `json:"import,omitempty"`
	// Detail says more: the field of a kustomization, the path of a value, the name of a variable. It holds nothing secret.
	Detail string `json:"detail,omitempty"`
	// Encrypted says that the file is a SOPS document.
	Encrypted bool `json:"encrypted,omitempty"`
}

// String gives the place for people: "base/web.yaml:12", "import base 1.4.0@1a2b3c4: web.yaml:12", "values.yaml:3 (value image.tag)".
func (p Place) String() string {
	at := p.File
	if at != "" && p.Line > 0 {
		at = fmt.Sprintf("%s:%d", at, p.Line)
	}
	if p.Import != "" {
		at = "import " + p.Import + ": " + at
	}
	what := p.what()
	if p.Encrypted {
		what = strings.TrimPrefix(what+", encrypted", ", ")
	}
	switch {
	case at == "":
		return what
	case what == "":
		return at
	}
	return at + " (" + what + ")"
}

// what says what is there, where the file's name does not.
func (p Place) what() string {
	switch p.Kind {
	case Value, Variable:
		return string(p.Kind) + " " + p.Detail
	case Patch, Content, Imported:
		return strings.TrimSpace(string(p.Kind) + " " + p.Detail)
	}
	return p.Detail
}

// place names a place of the artifact.
func (x *explainer) place(kind Kind, file string, line int, detail string) Place {
	if !x.read[file] {
		x.read[file] = true
		_, _ = x.cfg.Files.ReadFile(file) // only then it is known whether it is encrypted
	}
	return placeIn(x.cfg.Files, Place{Kind: kind, File: file, Line: line, Detail: detail})
}

// declared is where an object is declared, as far as its renderer knows.
func (x *explainer) declared(object *made) Place {
	origin := object.object.Origin()
	return x.place(Manifest, origin.File, origin.Line, "")
}

// placeIn completes a place by what an artifact knows of its file: the import that it belongs to, and whether it is encrypted.
func placeIn(files source.Artifact, p Place) Place {
	if p.File == "" {
		return p
	}
	if secretive, ok := files.(render.Secretive); ok {
		p.Encrypted = secretive.Sensitive(p.File)
	}
	for _, one := range files.Revision().Imports {
		if inside, ok := strings.CutPrefix(p.File, one.At+"/"); ok {
			p.Import, p.File = strings.TrimSuffix(one.String(), "@"), inside // a directory that stands in has no ID
		}
	}
	return p
}

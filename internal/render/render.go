// Package render turns an artifact into objects. Its sub-packages are the formats: plain, kustomize.
package render

import (
	"context"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Result is what a path of an artifact says.
type Result struct {
	// Path inside the artifact that was rendered.
	Path    string
	Objects state.Set
	// Wrong are those of the objects that are declared wrongly, each with its errors: of Setpoint's own kinds, which are decoded
	// strictly. They are no reason to do without the others.
	Wrong map[state.ID]error
	// Builds are the directories that objects refer to by their digests.
	Builds []Build
	// Reads are what the render looked at: while none of them changes, neither does the result (see Reads.Unchanged). They are
	// there beside an error too: what was wrong stays wrong until one of them changes.
	Reads Reads
	// Format is the renderer that made it: "plain", "kustomize", "helm", "jsonnet", "cue".
	Format string
	// Release is what the helm command is to know of it; nil when no chart was rendered as the Sync declares it.
	Release *Release
	// Found are the objects as the renderer made them, from which Formats makes Objects and Wrong.
	Found []Found
}

// Renderer turns a directory or a file of an artifact into objects (Result.Found); none at all is no error. Safe for concurrent use. Errors
// are faults of kind Invalid that name file and line, all of them joined; NotFound when there is nothing at the path; Transient
// when ctx ends first.
type Renderer interface {
	Render(ctx context.Context, request Request) (Result, error)
}

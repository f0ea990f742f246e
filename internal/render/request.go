package render

import (
	"context"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Request says what to render, and with what.
type Request struct {
	Artifact source.Artifact
	// Path inside the artifact.
	Path string
	// Name of what is rendered: the Sync's, which is also the default name of a release.
	Name string
	// Namespace for what names none: the release of a chart. Default "default".
	Namespace string
	// How it is rendered, as the Sync declares it.
	How v1alpha1.Rendering
	// Outside is what may be asked for beside the artifact; the zero value gives nothing.
	Outside Outside
}

// Outside is what a render may ask for beside its artifact. What is nil is not there, and whoever needs it says so. What a render has asked
// for is watched by those who give it: they have it rendered again when it has changed.
type Outside struct {
	Sources Sources
	Values  Values
	Cluster Cluster
	Memory  Memory
	// Environ gives a variable of the agent's environment that may be substituted; false for one that is not there or not allowed.
	Environ func(name string) (string, bool)
}

// Sources gives artifacts that files of the artifact refer to: charts that a chart depends on, bases of a kustomization. Safe for
// concurrent use.
type Sources interface {
	// Artifact gives the newest artifact of a source. It is an error of kind Transient while it is being pulled.
	Artifact(ctx context.Context, spec v1alpha1.SourceSpec) (source.Artifact, error)
}

// Values gives ConfigMaps and Secrets of the cluster. Safe for concurrent use.
type Values interface {
	// Object gives one, NotFound when it is not there.
	Object(ctx context.Context, id state.ID) (*state.Object, error)
}

// Cluster answers what a chart asks of the cluster that it is rendered for. Safe for concurrent use.
type Cluster interface {
	Capabilities(ctx context.Context) (Capabilities, error)
	// Lookup gives one object of a version of its API, or with an empty name a list of them ("items"); nil without error when there is
	// nothing. The group is that of the version, whatever the ID says. It has the rights of the Sync, for reading alone.
	Lookup(ctx context.Context, apiVersion string, id state.ID) (map[string]any, error)
}

// Capabilities of a cluster.
type Capabilities struct {
	Version     string   // "v1.37.2"
	APIVersions []string // "apps/v1" and "apps/v1/Deployment", sorted
}

// Memory keeps random values that a chart has made, so that it makes the same ones again. Safe for concurrent use.
type Memory interface {
	// Recall gives all that were kept, by what made them.
	Recall(ctx context.Context) (map[string]string, error)
	// Keep replaces them. They are secret.
	Keep(ctx context.Context, made map[string]string) error
}

// Release is what the helm command is to know of a chart that was rendered.
type Release struct {
	Name      string
	Namespace string
	// History is the number of releases to keep.
	History int
	// Data is a release in Helm's own JSON form (its storage format version 1) without version, labels, and info but for its notes. It is
	// secret.
	Data []byte
}

// Charts renders charts for other formats.
type Charts interface {
	// Chart gives the manifests of a chart, in Helm's order, and the values in them that are secret (see MarkSecrets).
	Chart(ctx context.Context, request ChartRequest) (manifests []byte, secrets []string, err error)
}

// ChartRequest says which chart to render, and with what. Artifact and Path of the Request say where the chart is.
type ChartRequest struct {
	Request
	Release, Namespace      string
	Values                  map[string]any // merged over the chart's own
	KubeVersion             string         // default: the cluster's
	APIVersions             []string       // beside the cluster's
	CRDs, SkipTests, NoHook bool
}

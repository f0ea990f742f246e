package v1alpha1

// Rendering says how a Sync's path becomes objects, beyond what its files say themselves.
type Rendering struct {
	// Helm renders a chart.
	Helm *Helm `json:"helm,omitempty"`
	// Kustomize shapes how kustomizations are built.
	Kustomize *Kustomize `json:"kustomize,omitempty"`
	// Jsonnet gives a Jsonnet file its variables.
	Jsonnet *Jsonnet `json:"jsonnet,omitempty"`
	// CUE gives a CUE package its tags.
	CUE *CUE `json:"cue,omitempty"`
	// Substitute puts values in the place of ${NAME} in the objects.
	Substitute *Substitute `json:"substitute,omitempty"`
	// Decrypt names the keys of SOPS documents. Default: those of the agent's environment.
	Decrypt *Decrypt `json:"decrypt,omitempty"`
}

// Import mounts another source into the tree that a Sync renders.
type Import struct {
	// At is the directory where it is mounted, from the root of the Sync's own source. Nothing may be there.
	At string `json:"at"`
	// Source that is mounted.
	Source SyncSource `json:"source"`
	// Path of the directory inside of it that is mounted. Default ".".
	Path string `json:"path,omitempty"`
}

// Helm renders a chart, and keeps a release of it that the helm command sees.
type Helm struct {
	// Chart is the path of its directory in the source or in an import. Default: the Sync's path.
	Chart string `json:"chart,omitempty"`
	// Release is its name. Default: the Sync's name.
	Release string `json:"release,omitempty"`
	// Namespace of the release. Default: that of spec.to.
	Namespace string `json:"namespace,omitempty"`
	// ValuesFrom are merged in their order, before Values.
	ValuesFrom []HelmValues `json:"valuesFrom,omitempty"`
	// Values for the chart's templates.
	Values map[string]any `json:"values,omitempty"`
	// CRDs of the chart's directory crds: "update" (default; created and kept as the chart has them), "create" (created where they are
	// missing, and left alone) or "skip".
	CRDs string `json:"crds,omitempty"`
	// SkipHooks leaves out the chart's hooks. Default false.
	SkipHooks bool `json:"skipHooks,omitempty"`
	// SkipSchema does not check values against values.schema.json. Default false.
	SkipSchema bool `json:"skipSchema,omitempty"`
	// PostRender is the path of a directory with a kustomization or a Kustomize component, which gets what the chart has rendered as its
	// first resources.
	PostRender string `json:"postRender,omitempty"`
	// Record keeps a release for the helm command to see. Default true.
	Record *bool `json:"record,omitempty"`
	// History is the number of releases that are kept, at most. Default 10.
	History int `json:"history,omitempty"`
}

// HelmValues are values from elsewhere: exactly one of file, configMap and secret.
type HelmValues struct {
	// File of the source or of an import, from its root.
	File string `json:"file,omitempty"`
	// ConfigMap of the Sync's cluster.
	ConfigMap *ObjectName `json:"configMap,omitempty"`
	// Secret of the Sync's cluster.
	Secret *ObjectName `json:"secret,omitempty"`
	// Key in the ConfigMap or Secret. Default "values.yaml".
	Key string `json:"key,omitempty"`
	// At is the path of the one value that is set to the text of the key, as in "image.tag"; without it the text is YAML that is merged.
	At string `json:"at,omitempty"`
	// Optional: it may be missing. Default false.
	Optional bool `json:"optional,omitempty"`
}

// Kustomize shapes how kustomizations are built.
type Kustomize struct {
	// Remote allows bases and charts that a kustomization names by a URL: they are pulled like any source. Default false.
	Remote bool `json:"remote,omitempty"`
}

// Jsonnet gives a Jsonnet file its variables.
type Jsonnet struct {
	// Variables are what std.extVar gives: any value.
	Variables map[string]any `json:"variables,omitempty"`
	// Arguments of the function that the file evaluates to.
	Arguments map[string]any `json:"arguments,omitempty"`
	// Libraries are directories of the source that imports are looked for in, after the importing file's own.
	Libraries []string `json:"libraries,omitempty"`
}

// CUE gives a CUE package its tags.
type CUE struct {
	// Tags are the values of fields marked @tag(name).
	Tags map[string]string `json:"tags,omitempty"`
	// Expression that gives the objects. Default: the whole package.
	Expression string `json:"expression,omitempty"`
}

// Substitute puts values in the place of ${NAME} and ${NAME:=default}; $${NAME} stays as ${NAME}. What has no value is an error.
// The annotation setpoint.dev/substitute: disabled leaves an object alone.
type Substitute struct {
	// From are looked through in their order; a later one wins, and Values win over all.
	From []SubstituteFrom `json:"from,omitempty"`
	// Values by name.
	Values map[string]string `json:"values,omitempty"`
	// Environment variables of the agent that may be used, by name; only an agent that is started with --allow-environment gives them.
	Environment []string `json:"environment,omitempty"`
}

// SubstituteFrom takes every key of an object as a value: exactly one of configMap and secret.
type SubstituteFrom struct {
	// ConfigMap of the Sync's cluster.
	ConfigMap *ObjectName `json:"configMap,omitempty"`
	// Secret of the Sync's cluster.
	Secret *ObjectName `json:"secret,omitempty"`
	// Optional: it may be missing. Default false.
	Optional bool `json:"optional,omitempty"`
}

// Decrypt names the keys of SOPS documents.
type Decrypt struct {
	Keys []DecryptKey `json:"keys"`
}

// DecryptKey is a private key of age or OpenPGP, or several: exactly one field is set.
type DecryptKey struct {
	Env  string `json:"env,omitempty"`
	File string `json:"file,omitempty"`
	// Secret of the Sync's cluster; every key in it that ends in .agekey or .asc counts.
	Secret *ObjectName `json:"secret,omitempty"`
}

// The words of Helm.CRDs, the defaults of Helm, and the annotation that keeps an object from substitution.
const (
	CRDsUpdate = "update"
	CRDsCreate = "create"
	CRDsSkip   = "skip"

	DefaultHelmHistory   = 10
	DefaultHelmValuesKey = "values.yaml"

	// AnnotationSubstitute: "disabled" leaves an object alone.
	AnnotationSubstitute = Group + "/substitute"
)

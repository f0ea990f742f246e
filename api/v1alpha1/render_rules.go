package v1alpha1

import "regexp"

// Bounds of what is written about rendering.
const (
	maxReleaseName = 53 // letters, Helm's own bound
	maxHistory     = 100
	maxValuesFrom  = 50
	maxVariables   = 100 // names in a list
	maxDecryptKeys = 50
	maxLibraries   = 50
	maxExpression  = 4096 // letters of an expression of CUE
)

// The patterns of values of rendering.
const (
	partRelease    = `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
	patternRelease = `^` + partRelease + `(\.` + partRelease + `)*$`
	patternValueAt = `^[^\s=,]+$` // a path of names with dots between, as `helm --set` reads it
	patternKey     = `^[-._a-zA-Z0-9]{1,253}$`
	patternCUETag  = `^[A-Za-z_$][A-Za-z0-9_$-]*$`
)

var (
	formRelease = regexp.MustCompile(patternRelease)
	formValueAt = regexp.MustCompile(patternValueAt)
	formKey     = regexp.MustCompile(patternKey)
	formCUETag  = regexp.MustCompile(patternCUETag)
)

var wordsCRDs = []string{CRDsUpdate, CRDsCreate, CRDsSkip}

var renderRules = map[string]rule{
	"Helm.Chart":              {Pattern: patternPath},
	"Helm.Release":            {Pattern: patternRelease, Longest: maxReleaseName},
	"Helm.Namespace":          {Pattern: patternName},
	"Helm.ValuesFrom":         {Most: maxValuesFrom},
	"Helm.Values":             {Free: true},
	"Helm.CRDs":               {Default: CRDsUpdate, Enum: wordsCRDs},
	"Helm.SkipHooks":          {Default: false},
	"Helm.SkipSchema":         {Default: false},
	"Helm.PostRender":         {Pattern: patternPath},
	"Helm.Record":             {Default: true},
	"Helm.History":            {Default: DefaultHelmHistory, Minimum: 1, Maximum: maxHistory},
	"HelmValues.File":         {Pattern: patternMount},
	"HelmValues.Key":          {Pattern: patternKey},
	"HelmValues.At":           {Pattern: patternValueAt, Longest: maxText},
	"HelmValues.Optional":     {Default: false},
	"Kustomize.Remote":        {Default: false},
	"Jsonnet.Variables":       {Free: true},
	"Jsonnet.Arguments":       {Free: true},
	"Jsonnet.Libraries":       {NoEmpty: true, Most: maxLibraries, Pattern: patternPath},
	"CUE.Tags":                {Keys: patternCUETag},
	"CUE.Expression":          {NoEmpty: true, Longest: maxExpression},
	"Substitute.From":         {Most: maxValuesFrom},
	"Substitute.Values":       {Keys: patternVariable},
	"Substitute.Environment":  {NoEmpty: true, Most: maxVariables, Unique: true, Pattern: patternVariable},
	"SubstituteFrom.Optional": {Default: false},
	"Decrypt.Keys":            {NoEmpty: true, Most: maxDecryptKeys},
	"DecryptKey.Env":          {Pattern: patternVariable},
	"DecryptKey.File":         {Pattern: patternHostPath},
}

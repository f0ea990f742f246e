package v1alpha1

import "regexp"

// Bounds of what is written about sources and signatures.
const (
	maxImports    = 50
	maxIdentities = 100
	maxFilter     = 200     // letters of a regular expression
	maxKeys       = 1 << 20 // letters of public keys
)

// The patterns of values of sources. Those of URLs leave no place for credentials.
const (
	partServer      = `(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?)(:[0-9]{1,5})?`
	partRepository  = `(/[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*)+` // of the OCI distribution specification
	patternOCI      = `^oci://` + partServer + partRepository + `$`
	patternTag      = `^[A-Za-z0-9_][-.A-Za-z0-9_]{0,127}$`
	patternDigest   = `^sha256:[0-9a-f]{64}$`
	patternCharts   = `^(https?://` + partServer + `(/[^\s?#]*)?|oci://` + partServer + `(` + partRepository + `)?)$`
	patternChart    = `^[A-Za-z0-9][-._A-Za-z0-9]{0,249}$`
	patternEndpoint = `^https?://` + partServer + `/?$`
	patternBucket   = `^[a-z0-9][-._a-z0-9]{1,61}[a-z0-9]$`
	patternPrefix   = `^[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]*$`
	patternRegion   = `^[A-Za-z0-9][-A-Za-z0-9]*$`
	patternDownload = `^https?://` + partServer + `/[^\s#]*$`
	patternIssuer   = `^https?://[^\s]+$`
	patternSubject  = `^[^\s]+$`
)

var (
	formOCI      = regexp.MustCompile(patternOCI)
	formTag      = regexp.MustCompile(patternTag)
	formDigest   = regexp.MustCompile(patternDigest)
	formCharts   = regexp.MustCompile(patternCharts)
	formChart    = regexp.MustCompile(patternChart)
	formEndpoint = regexp.MustCompile(patternEndpoint)
	formBucket   = regexp.MustCompile(patternBucket)
	formPrefix   = regexp.MustCompile(patternPrefix)
	formRegion   = regexp.MustCompile(patternRegion)
	formDownload = regexp.MustCompile(patternDownload)
	formIssuer   = regexp.MustCompile(patternIssuer)
	formSubject  = regexp.MustCompile(patternSubject)
)

var wordsSigned = []string{SignedCommit, SignedTag, SignedAny}

// upstreams are the kinds of places to pull from, in the order of the reference.
var upstreams = []string{"git", "oci", "helm", "bucket", "archive"}

var sourceRules = map[string]rule{
	"OCISource.URL":              {Pattern: patternOCI},
	"OCISource.Proxy":            {Pattern: patternProxy},
	"OCISource.Insecure":         {Default: false},
	"OCIRef.Tag":                 {Pattern: patternTag},
	"OCIRef.Semver":              {NoEmpty: true},
	"OCIRef.Filter":              {NoEmpty: true, Longest: maxFilter},
	"OCIRef.Digest":              {Pattern: patternDigest},
	"HelmSource.URL":             {Pattern: patternCharts},
	"HelmSource.Chart":           {Pattern: patternChart},
	"HelmSource.Version":         {NoEmpty: true, Example: `"1.10"`},
	"HelmSource.Proxy":           {Pattern: patternProxy},
	"HelmSource.Insecure":        {Default: false},
	"BucketSource.Endpoint":      {Pattern: patternEndpoint},
	"BucketSource.Bucket":        {Pattern: patternBucket},
	"BucketSource.Prefix":        {Pattern: patternPrefix},
	"BucketSource.Region":        {Pattern: patternRegion},
	"BucketSource.Proxy":         {Pattern: patternProxy},
	"ArchiveSource.URL":          {Pattern: patternDownload},
	"ArchiveSource.SHA256":       {Pattern: patternSHA256},
	"ArchiveSource.Proxy":        {Pattern: patternProxy},
	"GitVerification.Signed":     {Default: SignedCommit, Enum: wordsSigned},
	"OCIVerification.Identities": {NoEmpty: true, Most: maxIdentities},
	"Identity.Issuer":            {Pattern: patternIssuer},
	"Identity.Subject":           {Pattern: patternSubject},
	"PublicKeys.Text":            {NoEmpty: true, Longest: maxKeys},
	"PublicKeys.Env":             {Pattern: patternVariable},
	"PublicKeys.File":            {Pattern: patternHostPath},
	"SyncSpec.Imports":           {Most: maxImports},
	"Import.At":                  {Pattern: patternMount},
	"Import.Path":                {Default: DefaultPath, Pattern: patternPath},
}

// patternMount is a path below the root, in its shortest form.
const patternMount = `^` + patternSegment + `(/` + patternSegment + `)*$`

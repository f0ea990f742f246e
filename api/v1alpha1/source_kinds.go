package v1alpha1

// OCISource is a repository of a registry, and which of its artifacts to follow.
type OCISource struct {
	// URL: oci://registry.example.com/fleet/base
	URL string `json:"url"`
	// Ref is what to follow. Default: the tag latest.
	Ref OCIRef `json:"ref,omitzero"`
	// Credentials; default: the agent's (SETPOINT_OCI_USERNAME and _PASSWORD for the root's registry, and the Docker configuration).
	Credentials *Credentials `json:"credentials,omitempty"`
	// CAFile is a PEM file of certificates that are trusted for this registry beside the system's.
	CAFile string `json:"caFile,omitempty"`
	// Proxy is an http, https or socks5 URL; default: the environment's HTTPS_PROXY and NO_PROXY.
	Proxy string `json:"proxy,omitempty"`
	// Insecure speaks HTTP without TLS. Default false.
	Insecure bool `json:"insecure,omitempty"`
}

// OCIRef names an artifact of a repository: at most one of tag, semver and digest is set.
type OCIRef struct {
	Tag string `json:"tag,omitempty"`
	// Semver is a range over the tags: "1.x".
	Semver string `json:"semver,omitempty"`
	// Filter is a regular expression that tags have to match to be looked at by semver.
	Filter string `json:"filter,omitempty"`
	Digest string `json:"digest,omitempty"` // "sha256:…"
}

// HelmSource is a chart of a chart repository, over HTTP or in a registry.
type HelmSource struct {
	// URL of the repository: https://charts.example.com, or oci://registry.example.com/charts
	URL string `json:"url"`
	// Chart is its name there.
	Chart string `json:"chart"`
	// Version: a version or a range of versions. Default: the newest that is no pre-release.
	Version string `json:"version,omitempty"`
	// Credentials; default: those that an oci source has, and none over HTTP.
	Credentials *Credentials `json:"credentials,omitempty"`
	// CAFile is a PEM file of certificates that are trusted for this server beside the system's.
	CAFile string `json:"caFile,omitempty"`
	// Proxy is an http, https or socks5 URL; default: the environment's HTTPS_PROXY and NO_PROXY.
	Proxy string `json:"proxy,omitempty"`
	// Insecure speaks HTTP without TLS with a registry. Default false.
	Insecure bool `json:"insecure,omitempty"`
}

// BucketSource is what a bucket of an S3-compatible store holds under a prefix.
type BucketSource struct {
	// Endpoint: https://s3.eu-central-1.amazonaws.com
	Endpoint string `json:"endpoint"`
	Bucket   string `json:"bucket"`
	// Prefix of the names of the objects that count. It is no part of their paths.
	Prefix string `json:"prefix,omitempty"`
	Region string `json:"region,omitempty"`
	// Credentials; default: none, which public buckets want.
	Credentials *BucketCredentials `json:"credentials,omitempty"`
	// CAFile is a PEM file of certificates that are trusted for this server beside the system's.
	CAFile string `json:"caFile,omitempty"`
	// Proxy is an http, https or socks5 URL; default: the environment's HTTPS_PROXY and NO_PROXY.
	Proxy string `json:"proxy,omitempty"`
}

// BucketCredentials for an S3-compatible store: where to read them, never the values themselves.
type BucketCredentials struct {
	AccessKey    ValueFrom  `json:"accessKey"`
	SecretKey    ValueFrom  `json:"secretKey"`
	SessionToken *ValueFrom `json:"sessionToken,omitempty"`
}

// ArchiveSource is a tar, tar.gz or zip file on a web server.
type ArchiveSource struct {
	// URL: https:// or http://. Over http:// the sha256 has to be given.
	URL string `json:"url"`
	// SHA256 of the file, in hexadecimal digits; anything else that is found there is refused. Without it the file is followed.
	SHA256 string `json:"sha256,omitempty"`
	// Credentials: token, or username and password.
	Credentials *Credentials `json:"credentials,omitempty"`
	// CAFile is a PEM file of certificates that are trusted for this server beside the system's.
	CAFile string `json:"caFile,omitempty"`
	// Proxy is an http, https or socks5 URL; default: the environment's HTTPS_PROXY and NO_PROXY.
	Proxy string `json:"proxy,omitempty"`
}

// Verification demands signatures of what is pulled. For one source, its own kind is named; for a Sync and everything below it, each kind
// of source that may be used at all: a kind that is left out is refused there.
type Verification struct {
	Git  *GitVerification  `json:"git,omitempty"`
	OCI  *OCIVerification  `json:"oci,omitempty"`
	Helm *HelmVerification `json:"helm,omitempty"`
}

// GitVerification demands that a commit or a tag is signed by one of some people.
type GitVerification struct {
	// AllowedSigners in the format of ssh-keygen(1), for SSH signatures.
	AllowedSigners *PublicKeys `json:"allowedSigners,omitempty"`
	// PGPKeys, armored, for OpenPGP signatures.
	PGPKeys *PublicKeys `json:"pgpKeys,omitempty"`
	// Signed: "commit" (default), "tag" (the annotated tag that is followed), or "any" of both.
	Signed string `json:"signed,omitempty"`
}

// OCIVerification demands that an artifact of a registry is signed as cosign does it: by one of some keys, or by one of some identities.
type OCIVerification struct {
	// Keys are public keys in PEM.
	Keys *PublicKeys `json:"keys,omitempty"`
	// Identities that a certificate may name, for signatures without a key.
	Identities []Identity `json:"identities,omitempty"`
	// TrustedRoot is a trusted root of Sigstore in JSON, by which certificates and log entries are judged. Identities need it.
	TrustedRoot *PublicKeys `json:"trustedRoot,omitempty"`
}

// Identity is who has signed without a key, as the certificate tells.
type Identity struct {
	// Issuer of the identity: https://token.actions.githubusercontent.com
	Issuer string `json:"issuer"`
	// Subject: a mail address or URL, in which * stands for any letters but /.
	Subject string `json:"subject"`
}

// HelmVerification demands a provenance file (helm package --sign) beside a chart.
type HelmVerification struct {
	// PGPKeys, armored.
	PGPKeys *PublicKeys `json:"pgpKeys"`
}

// PublicKeys says where keys are read from, that are no secret: exactly one field is set.
type PublicKeys struct {
	Text string `json:"text,omitempty"`
	Env  string `json:"env,omitempty"`
	File string `json:"file,omitempty"`
}

// The words of GitVerification.Signed.
const (
	SignedCommit = "commit"
	SignedTag    = "tag"
	SignedAny    = "any"
)

package v1alpha1_test

import (
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// The spec of each goes on with four spaces, but for the ones of Verify and imports.
const (
	ociHead     = sourceHead + "spec:\n  oci:\n    url: oci://registry.example.com/fleet/base\n"                           // line 7
	chartHead   = sourceHead + "spec:\n  helm:\n    url: https://charts.example.com\n    chart: podinfo\n"                 // line 8
	bucketHead  = sourceHead + "spec:\n  bucket:\n    endpoint: https://s3.example.com\n    bucket: fleet\n"               // line 8
	archiveHead = sourceHead + "spec:\n  archive:\n    url: https://example.com/config-1.4.0.tar.gz\n"                     // line 7
	importHead  = specHead + "  imports:\n  - at: base\n    source: {name: base}\n"                                        // line 8
	signedHead  = gitHead + "  verify:\n    git:\n      allowedSigners: {text: \"me ssh-ed25519 AAAA\"}\n"                 // six, line 10
	sealedHead  = ociHead + "  verify:\n    oci:\n      keys: {file: /etc/setpoint/cosign.pub}\n"                          // six, line 10
	namedHead   = ociHead + "  verify:\n    oci:\n      identities: [{issuer: \"https://a.example.com\", subject: a@b}]\n" // six, line 10
)

var sourceSamples = []sample{
	{name: "every kind of source", text: specHead + everySource},
	{name: "no upstream and signatures", text: sourceHead + "spec:\n  verify: {git: {pgpKeys: {env: KEYS}}}\n", want: "4 spec"},
	{name: "two upstreams", text: gitHead + "  archive: {url: \"https://example.com/a.tgz\"}\n", want: "7 spec.archive"},
	{name: "two upstreams of a Sync", text: specHead + "  source:\n    oci: {url: \"oci://a/b\"}\n    helm: {url: \"https://a\", chart: b}\n",
		want: "7 spec.source.helm"},
	{name: "a name and a registry", text: specHead + "  source: {name: a, oci: {url: \"oci://a/b\"}}\n", want: "5 spec.source"},

	{name: "a repository", text: ociHead},
	{name: "a repository with a port", text: strings.Replace(ociHead, ".com", ".com:5000", 1)},
	{name: "a repository at an address", text: strings.Replace(ociHead, "registry.example.com", "[::1]:5000", 1)},
	{name: "a registry of another scheme", text: strings.Replace(ociHead, "oci:/", "docker:/", 1), want: "6 spec.oci.url"},
	{name: "a registry alone", text: strings.Replace(ociHead, "/fleet/base", "", 1), want: "6 spec.oci.url"},
	{name: "a repository with its tag", text: strings.Replace(ociHead, "base", "base:1.4.0", 1), want: "6 spec.oci.url"},
	{name: "a repository with capitals", text: strings.Replace(ociHead, "fleet", "Fleet", 1), want: "6 spec.oci.url"},
	{name: "a repository with a password", text: strings.Replace(ociHead, "//", "//me:secret@", 1), want: "6 spec.oci.url"},
	{name: "an oci of nothing", text: sourceHead + "spec:\n  oci: {insecure: true}\n", want: "5 spec.oci.url"},
	{name: "a tag", text: ociHead + "    ref: {tag: v1.4.0_rc}\n"},
	{name: "a tag that cannot be", text: ociHead + "    ref: {tag: a/b}\n", want: "7 spec.oci.ref.tag"},
	{name: "a tag that YAML takes for a number", text: ociHead + "    ref: {tag: 1.10}\n", want: "7 spec.oci.ref.tag"},
	{name: "a digest", text: ociHead + "    ref: {digest: \"sha256:" + strings.Repeat("0a", 32) + "\"}\n"},
	{name: "half a digest", text: ociHead + "    ref: {digest: \"sha256:0a\"}\n", want: "7 spec.oci.ref.digest"},
	{name: "a tag and a digest", text: ociHead + "    ref:\n      tag: a\n      digest: \"sha256:" + strings.Repeat("0a", 32) + "\"\n",
		want: "9 spec.oci.ref.digest"},
	{name: "a range of tags", text: ociHead + "    ref: {semver: 1.x, filter: \"^v?1\"}\n"},
	{name: "no range of tags", text: ociHead + "    ref: {semver: newest}\n", want: "7 spec.oci.ref.semver", decodeOnly: true},
	{name: "no expression", text: ociHead + "    ref: {semver: 1.x, filter: \"(\"}\n", want: "7 spec.oci.ref.filter", decodeOnly: true},
	{name: "a long expression", text: ociHead + "    ref: {semver: 1.x, filter: " + strings.Repeat("a", 201) + "}\n", want: "7 spec.oci.ref.filter"},
	{name: "an expression for nothing", text: ociHead + "    ref: {tag: a, filter: a}\n", want: "7 spec.oci.ref.filter"},
	{name: "an ssh key for a registry", text: ociHead + "    credentials:\n      sshKey: {file: /key}\n",
		want: "8 spec.oci.credentials.sshKey", decodeOnly: true},
	{name: "a token from nowhere", text: ociHead + "    credentials:\n      token: {}\n", want: "8 spec.oci.credentials.token"},
	{name: "a proxy without a scheme", text: ociHead + "    proxy: proxy.example.com:3128\n", want: "7 spec.oci.proxy"},

	{name: "a chart", text: chartHead},
	{name: "a chart in a registry", text: strings.Replace(chartHead, "https", "oci", 1) + "    insecure: true\n"},
	{name: "a chart of no TLS", text: chartHead + "    insecure: true\n", want: "8 spec.helm.insecure", decodeOnly: true},
	{name: "a chart without a name", text: sourceHead + "spec:\n  helm: {url: \"https://a.example.com\"}\n", want: "5 spec.helm.chart"},
	{name: "a chart with a path", text: strings.Replace(chartHead, "podinfo", "../podinfo", 1), want: "7 spec.helm.chart"},
	{name: "a chart repository with a password", text: strings.Replace(chartHead, "//", "//me:secret@", 1), want: "6 spec.helm.url"},
	{name: "a chart repository on disk", text: strings.Replace(chartHead, "https", "file", 1), want: "6 spec.helm.url"},
	{name: "a version of a chart", text: chartHead + "    version: 6.x\n"},
	{name: "a version that YAML takes for a number", text: chartHead + "    version: 6.10\n", want: "8 spec.helm.version"},
	{name: "no version", text: chartHead + "    version: latest\n", want: "8 spec.helm.version", decodeOnly: true},

	{name: "a bucket", text: bucketHead},
	{name: "a bucket in the endpoint", text: strings.Replace(bucketHead, "s3.example.com", "s3.example.com/fleet", 1), want: "6 spec.bucket.endpoint"},
	{name: "an endpoint with a password", text: strings.Replace(bucketHead, "//", "//me:secret@", 1), want: "6 spec.bucket.endpoint"},
	{name: "a bucket with capitals", text: strings.Replace(bucketHead, ": fleet", ": Fleet", 1), want: "7 spec.bucket.bucket"},
	{name: "a short bucket", text: strings.Replace(bucketHead, ": fleet", ": ab", 1), want: "7 spec.bucket.bucket"},
	{name: "a prefix", text: bucketHead + "    prefix: clusters/eu 1\n"},
	{name: "a prefix with a slash in front", text: bucketHead + "    prefix: /clusters\n", want: "8 spec.bucket.prefix"},
	{name: "one key of two", text: bucketHead + "    credentials: {accessKey: {env: A}}\n", want: "8 spec.bucket.credentials.secretKey"},
	{name: "a key from two places", text: bucketHead + "    credentials:\n      accessKey: {env: A, file: b}\n      secretKey: {env: B}\n",
		want: "9 spec.bucket.credentials.accessKey"},
	{name: "signatures of a bucket", text: bucketHead + "  verify: {oci: {keys: {env: KEYS}}}\n", want: "8 spec.verify", decodeOnly: true},

	{name: "an archive", text: archiveHead},
	{name: "an archive with its sum", text: strings.Replace(archiveHead, "https", "http", 1) + "    sha256: " + strings.Repeat("0A", 32) + "\n"},
	{name: "an archive without TLS and sum", text: strings.Replace(archiveHead, "https", "http", 1), want: "5 spec.archive.sha256", decodeOnly: true},
	{name: "an archive on disk", text: strings.Replace(archiveHead, "https", "file", 1), want: "6 spec.archive.url"},
	{name: "an archive with a password", text: strings.Replace(archiveHead, "//", "//me:secret@", 1), want: "6 spec.archive.url"},
	{name: "half a sum", text: archiveHead + "    sha256: 0a\n", want: "7 spec.archive.sha256"},

	{name: "an import", text: importHead},
	{name: "an import without a place", text: specHead + "  imports:\n  - source: {name: a}\n", want: "6 spec.imports[0].at"},
	{name: "an import of nothing", text: specHead + "  imports:\n  - at: a\n", want: "6 spec.imports[0].source"},
	{name: "an import of an empty source", text: specHead + "  imports:\n  - at: a\n    source: {}\n", want: "7 spec.imports[0].source"},
	{name: "an import at the root", text: strings.Replace(importHead, "base\n", ".\n", 1), want: "6 spec.imports[0].at"},
	{name: "an import above", text: strings.Replace(importHead, "base\n", "../base\n", 1), want: "6 spec.imports[0].at"},
	{name: "an absolute import", text: strings.Replace(importHead, "base\n", "/base\n", 1), want: "6 spec.imports[0].at"},
	{name: "an import of a path above", text: importHead + "    path: a/../../b\n", want: "8 spec.imports[0].path"},
	{name: "two imports", text: importHead + "  - {at: base2, source: {name: b}, path: a}\n"},
	{name: "two imports at one place", text: importHead + "  - at: base\n    source: {name: b}\n",
		want: "8 spec.imports[1].at", decodeOnly: true},
	{name: "an import inside another", text: importHead + "  - at: base/more\n    source: {name: b}\n",
		want: "8 spec.imports[1].at", decodeOnly: true},
	{name: "an import around another", text: specHead + "  imports:\n  - {at: a/b, source: {name: b}}\n  - {at: a, source: {name: b}}\n",
		want: "7 spec.imports[1].at", decodeOnly: true},
	{name: "too many imports", text: specHead + "  imports: [" + list(51, "{at: a%d, source: {name: a}}") + "]\n", want: "5 spec.imports"},

	{name: "allowed signers", text: signedHead + "      signed: tag\n"},
	{name: "another word for what is signed", text: signedHead + "      signed: tags\n", want: "10 spec.verify.git.signed"},
	{name: "signers from two places", text: strings.Replace(signedHead, "{text", "{env: A, text", 1), want: "9 spec.verify.git.allowedSigners.env", decodeOnly: false},
	{name: "signers from nowhere", text: gitHead + "  verify: {git: {allowedSigners: {}}}\n", want: "7 spec.verify.git.allowedSigners"},
	{name: "signers of a relative file", text: gitHead + "  verify: {git: {pgpKeys: {file: keys.asc}}}\n", want: "7 spec.verify.git.pgpKeys.file"},
	{name: "signers of no variable", text: gitHead + "  verify: {git: {pgpKeys: {env: a b}}}\n", want: "7 spec.verify.git.pgpKeys.env"},
	{name: "no keys of Git", text: gitHead + "  verify: {git: {signed: any}}\n", want: "7 spec.verify.git"},
	{name: "nothing to verify", text: gitHead + "  verify: {}\n", want: "7 spec.verify"},
	{name: "signatures of another kind", text: gitHead + "  verify:\n    oci: {keys: {env: KEYS}}\n", want: "8 spec.verify.oci", decodeOnly: true},
	{name: "keys of a registry", text: sealedHead},
	{name: "signatures of a chart in a registry", text: strings.Replace(chartHead, "https", "oci", 1) + "  verify: {oci: {keys: {env: KEYS}}}\n"},
	{name: "provenance in a registry", text: strings.Replace(chartHead, "https", "oci", 1) + "  verify: {helm: {pgpKeys: {env: KEYS}}}\n"},
	{name: "both of a chart in a registry", decodeOnly: true, want: "10 spec.verify.helm", text: strings.Replace(chartHead, "https", "oci", 1) +
		"  verify:\n    oci: {keys: {env: KEYS}}\n    helm: {pgpKeys: {env: KEYS}}\n"},
	{name: "cosign of a chart repository", text: chartHead + "  verify:\n    oci: {keys: {env: KEYS}}\n", want: "9 spec.verify.oci", decodeOnly: true},
	{name: "provenance without keys", text: chartHead + "  verify:\n    helm: {}\n", want: "9 spec.verify.helm.pgpKeys"},
	{name: "identities without a root", text: namedHead, want: "8 spec.verify.oci.trustedRoot"},
	{name: "identities", text: namedHead + "      trustedRoot: {file: /etc/setpoint/root.json}\n"},
	{name: "no identities", text: sealedHead + "      identities: []\n", want: "10 spec.verify.oci.identities"},
	{name: "a root for nobody", text: sealedHead + "      trustedRoot: {env: ROOT}\n", want: "10 spec.verify.oci.trustedRoot"},
	{name: "an identity of nobody", text: sealedHead + "      trustedRoot: {env: ROOT}\n      identities:\n      - issuer: https://a\n",
		want: "12 spec.verify.oci.identities[0].subject"},
	{name: "an issuer that is none", text: strings.Replace(namedHead, "https://a.", "a.", 1) + "      trustedRoot: {env: ROOT}\n",
		want: "9 spec.verify.oci.identities[0].issuer"},
	{name: "signatures of everything below a Sync", text: specHead + everyVerification},
	{name: "signatures of everything in a policy", text: policyHead + everyVerification},
	{name: "a policy that demands nothing", text: policyHead + "  verify: {}\n", want: "5 spec.verify"},
}

const everySource = `  source:
    oci:
      url: oci://registry.example.com/fleet/base
      ref: {semver: 1.x, filter: "^[0-9.]+$"}
      credentials: {username: {env: USER}, password: {file: /etc/setpoint/password}}
      caFile: /etc/ssl/ca.pem
      proxy: http://proxy.example.com:3128
      insecure: true
    verify:
      oci: {keys: {text: "-----BEGIN PUBLIC KEY-----"}}
  imports:
  - at: charts/podinfo
    source:
      helm:
        url: https://charts.example.com/stable
        chart: podinfo
        version: ">=6.3 <7"
        credentials: {token: {env: TOKEN}}
        caFile: /etc/ssl/ca.pem
        proxy: socks5://proxy.example.com:1080
      verify: {helm: {pgpKeys: {file: /etc/setpoint/charts.asc}}}
      interval: 10m
  - at: charts/other
    source: {helm: {url: "oci://registry.example.com/charts", chart: other, insecure: true}}
  - at: data
    path: eu
    source:
      bucket:
        endpoint: https://s3.eu-central-1.amazonaws.com
        bucket: fleet.config
        prefix: clusters/
        region: eu-central-1
        credentials: {accessKey: {env: A}, secretKey: {env: B}, sessionToken: {env: C}}
        caFile: /etc/ssl/ca.pem
        proxy: http://proxy.example.com:3128
  - at: vendor
    source:
      archive:
        url: https://example.com/vendor.zip?version=1
        sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF
        credentials: {token: {env: TOKEN}}
        caFile: /etc/ssl/ca.pem
        proxy: http://proxy.example.com:3128
`

const everyVerification = `  verify:
    git: {allowedSigners: {file: /etc/setpoint/allowed_signers}, pgpKeys: {env: KEYS}, signed: any}
    oci:
      keys: {env: KEYS}
      identities: [{issuer: "https://token.actions.githubusercontent.com", subject: "https://github.com/org/*/release.yaml@refs/heads/main"}]
      trustedRoot: {file: /etc/setpoint/trusted_root.json}
    helm: {pgpKeys: {text: "-----BEGIN PGP PUBLIC KEY BLOCK-----"}}
`

func TestDecodeSources(t *testing.T) { decodeAll(t, sourceSamples) }

func decodeAll(t *testing.T, all []sample) {
	t.Helper()
	for _, test := range all {
		var err error
		switch {
		case strings.Contains(test.text, "kind: Source\n"):
			_, err = parseSource(test.text, "x.yaml")
		case strings.Contains(test.text, "kind: Policy\n"):
			_, err = parsePolicy(test.text, "x.yaml")
		default:
			_, err = parseSync(test.text, "x.yaml")
		}
		if got := summary(err); got != test.want {
			t.Errorf("%s: %q, want %q (%v)", test.name, got, test.want, err)
		}
		if err != nil && strings.Contains(err.Error()+fault.HintOf(err), "secret@") {
			t.Errorf("%s: a password is shown: %v", test.name, err)
		}
	}
}

package v1alpha1

import (
	"fmt"
	"slices"
	"strings"
)

// verifies demands that a source asks for signatures that it can have: others would never be looked at.
func (c *checks) verifies(s *SourceSpec, at string) {
	can := s.Signatures()
	if can == nil {
		if s.Bucket != nil || s.Archive != nil {
			c.add(at, "cannot be demanded of this kind of source", "those of git, oci and helm have signatures; an archive has its sha256")
		}
		return
	}
	for _, one := range s.Verify.kinds() {
		if one.given && !slices.Contains(can, one.field) {
			c.add(at+"/"+one.field, "is not about a source of this kind", "name "+oneOf(can)+" there")
		}
	}
	if len(can) > 1 {
		c.oneOf(at, s.Verify.kinds()[1:])
	}
	c.verification(s.Verify, at)
}

// Signatures names the fields of a Verification that are about a source of this kind: none of a bucket or an archive, and two of a chart in
// a registry, which is signed as a chart or as everything there is.
func (s *SourceSpec) Signatures() []string {
	switch {
	case s.Git != nil:
		return []string{"git"}
	case s.OCI != nil:
		return []string{"oci"}
	case s.Helm != nil && strings.HasPrefix(s.Helm.URL, "oci://"):
		return []string{"oci", "helm"}
	case s.Helm != nil:
		return []string{"helm"}
	}
	return nil
}

func (v *Verification) kinds() []choice {
	return []choice{{"git", v.Git != nil}, {"oci", v.OCI != nil}, {"helm", v.Helm != nil}}
}

// About says whether a verification is about a source of some kind: one that it is not about is refused where it is in force.
func (v *Verification) About(s *SourceSpec) bool {
	return slices.ContainsFunc(v.kinds(), func(one choice) bool { return one.given && slices.Contains(s.Signatures(), one.field) })
}

func (c *checks) verification(v *Verification, at string) {
	if v.Git == nil && v.OCI == nil && v.Helm == nil {
		c.add(at, "demands nothing", "name git, oci or helm in it, with the keys of those who sign")
	}
	if v.Git != nil {
		c.signedGit(v.Git, at+"/git")
	}
	if v.OCI != nil {
		c.signedOCI(v.OCI, at+"/oci")
	}
	if v.Helm == nil {
		return
	}
	if v.Helm.PGPKeys == nil {
		c.add(at+"/helm/pgpKeys", "is missing", "")
	}
	c.publicKeys(at+"/helm/pgpKeys", v.Helm.PGPKeys)
}

func (c *checks) signedGit(g *GitVerification, at string) {
	if g.AllowedSigners == nil && g.PGPKeys == nil {
		c.add(at, "names no keys", "give it allowedSigners for SSH signatures, or pgpKeys for those of OpenPGP, or both")
	}
	c.publicKeys(at+"/allowedSigners", g.AllowedSigners)
	c.publicKeys(at+"/pgpKeys", g.PGPKeys)
	c.word(at+"/signed", g.Signed, wordsSigned...)
}

func (c *checks) signedOCI(o *OCIVerification, at string) {
	switch {
	case o.Keys == nil && len(o.Identities) == 0:
		c.add(at, "names nobody", "give it keys, or identities with a trustedRoot")
	case len(o.Identities) > 0 && o.TrustedRoot == nil:
		c.add(at+"/trustedRoot", "is missing", "certificates of identities are judged by it: `cosign trusted-root create` writes one")
	case len(o.Identities) == 0 && o.TrustedRoot != nil:
		c.add(at+"/trustedRoot", "is for identities, and there are none", "name identities, or remove it")
	}
	c.publicKeys(at+"/keys", o.Keys)
	c.publicKeys(at+"/trustedRoot", o.TrustedRoot)
	some(c, at+"/identities", o.Identities)
	for i, one := range o.Identities {
		here := fmt.Sprintf("%s/identities/%d", at, i)
		c.required(here+"/issuer", one.Issuer)
		c.form(here+"/issuer", one.Issuer, formIssuer, "the URL of an issuer")
		c.required(here+"/subject", one.Subject)
		c.form(here+"/subject", one.Subject, formSubject, "a mail address or URL")
	}
}

// publicKeys demands one place to read from; what is there is judged when it is read.
func (c *checks) publicKeys(at string, keys *PublicKeys) {
	if keys == nil {
		return
	}
	given := c.oneOf(at, []choice{{"text", keys.Text != ""}, {"env", keys.Env != ""}, {"file", keys.File != ""}})
	if given == 0 {
		c.add(at, "says nowhere to read keys from", "give it one of text, env and file")
	}
	c.form(at+"/env", keys.Env, formVariable, "the name of an environment variable")
	c.hostPath(at+"/file", keys.File)
}

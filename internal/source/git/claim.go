package git

import (
	"fmt"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/signature"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// claim is a commit and the annotated tag that leads to it, nil when none does: what signatures are looked for in.
type claim struct {
	of       string // the upstream
	revision state.Revision
	commit   []byte
	tag      []byte
}

// verify holds one demand against what is signed.
func (c claim) verify(one demand) (signature.Signer, error) {
	switch one.Signed {
	case v1alpha1.SignedTag:
		return c.verifyTag(one.Keys)
	case v1alpha1.SignedAny:
		signer, err := c.verifyCommit(one.Keys)
		if err == nil || c.tag == nil {
			return signer, err
		}
		return c.verifyTag(one.Keys)
	}
	return c.verifyCommit(one.Keys)
}

func (c claim) verifyCommit(keys signature.GitKeys) (signature.Signer, error) {
	decoded, err := decodeCommit(c.commit)
	if err != nil {
		return signature.Signer{}, err
	}
	parts := splitCommit(c.commit)
	return signature.Git(signature.GitObject{
		Name: c.name("commit " + short(c.revision.ID)), Payload: parts.payload, Signature: parts.signature, Time: decoded.Committer.When,
	}, keys)
}

// verifyTag demands that the tag is the one that was asked for, and leads to the commit itself: a server may show a tag that was signed for
// something else under another name.
func (c claim) verifyTag(keys signature.GitKeys) (signature.Signer, error) {
	if c.tag == nil {
		return signature.Signer{}, fault.Unverified(c.of, "what is followed is no annotated tag, and a signed tag is demanded").
			WithHint("follow a tag or semver that `git tag -s` makes, or demand signed commits")
	}
	parts, item := splitTag(c.tag), c.name("tag "+c.revision.Ref)
	signer, err := signature.Git(signature.GitObject{
		Name: item, Payload: parts.payload, Signature: parts.signature, Time: taggedAt(parts.payload),
	}, keys)
	switch {
	case err != nil:
		return signature.Signer{}, err
	case header(parts.payload, "type") != plumbing.CommitObject.String() || header(parts.payload, "object") != c.revision.ID:
		return signature.Signer{}, fault.Unverified(item, "what is signed does not lead to commit "+short(c.revision.ID)).
			WithHint("tag the commit itself, and sign that")
	case header(parts.payload, "tag") != c.revision.Ref:
		name := oneLine([]byte(header(parts.payload, "tag")))
		return signature.Signer{}, fault.Unverified(item, fmt.Sprintf("what is signed is the tag %q", name)).
			WithHint("somebody may pass an old tag off as a new one: sign a tag of this name")
	}
	return signer, nil
}

func (c claim) name(object string) string { return object + " of " + c.of }

// taggedAt gives the time of an annotated tag; zero for one that has none, when nobody was allowed to sign.
func taggedAt(tag []byte) time.Time {
	var tagger gitobject.Signature
	tagger.Decode([]byte(header(tag, "tagger")))
	return tagger.When
}

func short(id string) string { return id[:min(len(id), 7)] }

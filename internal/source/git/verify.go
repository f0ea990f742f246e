package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/signature"
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
)

// maxTag bounds an annotated tag that is verified, in bytes: it is remembered.
const maxTag = 64 << 10

// demand is a verification with its keys read.
type demand struct {
	Keys   signature.GitKeys
	Signed string
}

// demands reads the keys of all verifications, as they are now. proof names them, together with a commit that they are held against.
func (u *upstream) demands(commit string) (all []demand, proof string, err error) {
	for _, one := range u.opts.Verify {
		if one == nil {
			continue
		}
		if one.Git == nil {
			return nil, "", fault.Unverified(u.String(), "Git repositories are not among the sources that may be used here").
				WithHint("add verify.git where signatures are demanded, or use another kind of source")
		}
		d := demand{Signed: one.Git.Signed}
		if d.Keys.AllowedSigners, err = fetch.ReadKeys(one.Git.AllowedSigners, u.opts.Getenv); err != nil {
			return nil, "", err
		}
		if d.Keys.PGPKeys, err = fetch.ReadKeys(one.Git.PGPKeys, u.opts.Getenv); err != nil {
			return nil, "", err
		}
		all = append(all, d)
	}
	text, err := json.Marshal(all)
	sum := sha256.Sum256(text)
	return all, commit + " " + hex.EncodeToString(sum[:]), err
}

// isProven says whether a commit was verified by the keys of this moment: they are taken back, too.
func (u *upstream) isProven(commit string) bool {
	if len(u.opts.Verify) == 0 {
		return true
	}
	_, proof, err := u.demands(commit)
	u.lastMu.Lock()
	defer u.lastMu.Unlock()
	return err == nil && u.proven == proof
}

// wantsTag says whether the signature of a tag counts.
func (u *upstream) wantsTag() bool {
	return slices.ContainsFunc(u.opts.Verify, func(one *v1alpha1.Verification) bool {
		return one != nil && one.Git != nil && (one.Git.Signed == v1alpha1.SignedTag || one.Git.Signed == v1alpha1.SignedAny)
	})
}

// bringTag fetches the annotated tag that leads to a commit, where its signature counts; nil where it does not or there is none.
func (u *upstream) bringTag(ctx context.Context, r remote, at target) ([]byte, error) {
	if at.tag.IsZero() || !u.wantsTag() {
		return nil, nil
	}
	content, err := u.store.read(at.tag, plumbing.TagObject, maxTag)
	if err == nil || !errors.Is(err, errMissing) {
		return content, err
	}
	req := fetchRequest{want: at.tag, depth: 1, shallow: true, haves: []plumbing.Hash{at.commit}, has: u.store.has}
	if err := r.fetch(ctx, req, u.store.add); err != nil {
		return nil, err
	}
	return u.store.read(at.tag, plumbing.TagObject, maxTag)
}

// verify holds an artifact's commit, and the annotated tag that leads to it, against everything that is demanded, and notes who has signed.
// It is the commit alone that is verified: whoever signs it answers for its whole tree, and for what was merged into it.
func (u *upstream) verify(a *artifact, tag []byte) error {
	u.lastMu.Lock()
	defer u.lastMu.Unlock()
	return u.verifyLocked(a, tag)
}

// verifyLocked is verify for a caller that holds lastMu.
func (u *upstream) verifyLocked(a *artifact, tag []byte) error {
	if len(u.opts.Verify) == 0 {
		return nil
	}
	all, proof, err := u.demands(a.revision.ID)
	if err != nil {
		return err
	}
	content, err := u.store.read(a.commit, plumbing.CommitObject, maxCommit)
	if err != nil {
		return err
	}
	c := claim{of: u.String(), revision: a.revision, commit: content, tag: tag}
	var signers []string
	for _, one := range all {
		signer, err := c.verify(one)
		if err != nil {
			return err
		}
		if name := signer.String(); !slices.Contains(signers, name) {
			signers = append(signers, name)
		}
	}
	a.revision.Signer, u.proven = strings.Join(signers, ", "), proof
	return nil
}

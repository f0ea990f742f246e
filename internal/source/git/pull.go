package git

import (
	"context"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
	"weak"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Pull looks up the reference, and fetches its commit when it is another than known's.
func (u *upstream) Pull(ctx context.Context, known source.Artifact) (source.Artifact, source.Note, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, u.opts.Timeout)
	defer cancel()
	if u.ref.Commit != "" && known != nil && known.Revision().ID == u.ref.Commit && !u.store.damaged.Load() && u.isProven(u.ref.Commit) {
		return known, source.Note{}, nil // a commit never changes
	}
	r, err := u.dial()
	if err != nil {
		return nil, source.Note{}, u.explain(err)
	}
	defer r.close()
	a, note, err := u.pull(ctx, r, known)
	if err != nil {
		// A deadline is preferred to whatever broke because of it.
		return nil, source.Note{}, u.explain(firstOf(ctx.Err(), err))
	}
	return a, note, nil
}

func (u *upstream) pull(ctx context.Context, r remote, known source.Artifact) (source.Artifact, source.Note, error) {
	at, err := u.lookup(ctx, r)
	if err != nil {
		return nil, source.Note{}, err
	}
	damaged := u.store.damaged.Load()
	same := known != nil && known.Revision().ID == at.commit.String() && known.Revision().Ref == at.ref
	if same && !damaged && u.isProven(at.commit.String()) {
		return known, source.Note{}, nil
	}
	if u.refused.commit == at.commit && u.refused.err != nil {
		return nil, source.Note{}, u.refused.err
	}
	u.store.pulls.RLock()
	a, note, err := u.take(ctx, r, at, known)
	u.store.pulls.RUnlock()
	if err != nil {
		if fault.KindOf(err) == fault.Invalid || errors.Is(err, errTooLarge) {
			u.refused.commit, u.refused.err = at.commit, err
		}
		return nil, source.Note{}, err
	}
	if err := u.store.tidy(); err != nil {
		u.opts.Log.Warn("old objects could not be removed", "source", u.String(), "error", err)
	}
	return a, note, nil
}

func (u *upstream) lookup(ctx context.Context, r remote) (target, error) {
	if u.ref.Commit != "" {
		return target{commit: plumbing.NewHash(u.ref.Commit), ref: u.ref.Commit}, nil
	}
	listed, err := r.lookup(ctx, u.ref.prefixes())
	if err != nil {
		return target{}, err
	}
	at, missing := u.ref.find(listed)
	if missing == nil {
		return at, nil
	}
	missing.Op, missing.Item = "pull", u.at.String()
	missing.Hint = "check git.ref of the source"
	if _, before := u.store.recall(u.key); before {
		missing.Hint = "it was there before: the last revision stays in force and nothing is deleted; " +
			"create it again, or change git.ref of the source"
	}
	return target{}, missing
}

// take brings a commit into the store, checks it, and remembers it.
func (u *upstream) take(ctx context.Context, r remote, at target, known source.Artifact) (*artifact, source.Note, error) {
	before := u.before(known)
	if err := u.bring(ctx, r, at.commit, before); err != nil {
		return nil, source.Note{}, err
	}
	a, err := u.open(at)
	if err != nil {
		return nil, source.Note{}, err
	}
	signed, err := u.bringTag(ctx, r, at)
	if err != nil {
		return nil, source.Note{}, err
	}
	if err := u.verify(a, signed); err != nil { // before anything is done that its content asks for
		return nil, source.Note{}, err
	}
	if err := u.mountSubmodules(ctx, a); err != nil {
		return nil, source.Note{}, err
	}
	if err := u.check(a); err != nil {
		return nil, source.Note{}, err
	}
	note, err := u.compare(ctx, r, before, a)
	if err != nil {
		return nil, source.Note{}, err
	}
	u.store.hold(a)
	r2 := record{Revision: a.revision, Submodules: a.mountURLs(), Tag: signed, Changed: time.Now()}
	if err := u.store.remember(u.key, r2); err != nil {
		u.opts.Log.Warn("the last revision could not be written down", "source", u.String(), "error", err)
	}
	u.lastMu.Lock()
	u.last = a
	u.lastMu.Unlock()
	return a, note, nil
}

// before gives the revision that the new one is compared with: known's, or after a restart the one on disk.
func (u *upstream) before(known source.Artifact) state.Revision {
	if known != nil {
		return known.Revision()
	}
	r, _ := u.store.recall(u.key)
	return r.Revision
}

// bring fetches a commit that is not in the store: its tree only, less what trees in the store have already.
func (u *upstream) bring(ctx context.Context, r remote, commit plumbing.Hash, before state.Revision) error {
	damaged := u.store.damaged.Load()
	if !damaged && u.store.complete(commit) {
		return nil
	}
	req := fetchRequest{want: commit, depth: 1, shallow: true, has: u.store.has}
	if old := plumbing.NewHash(before.ID); !damaged && before.ID != "" && u.store.complete(old) {
		req.haves = []plumbing.Hash{old}
	}
	if damaged {
		req.has = func(plumbing.Hash) bool { return false }
	}
	if err := u.fetch(ctx, r, req); err != nil {
		return err
	}
	if !u.store.complete(commit) && len(req.haves) > 0 { // the server counted on something that is not here
		req.haves, req.has = nil, func(plumbing.Hash) bool { return false }
		return u.fetch(ctx, r, req)
	}
	return nil
}

func (u *upstream) fetch(ctx context.Context, r remote, req fetchRequest) error {
	err := r.fetch(ctx, req, u.store.add)
	var said *serverError
	if u.ref.Commit == "" || !errors.As(err, &said) {
		return err
	}
	return u.fetchHistory(ctx, r, req.want, err)
}

// fetchHistory finds a commit on a server that hands out only what references name: by fetching everything.
func (u *upstream) fetchHistory(ctx context.Context, r remote, want plumbing.Hash, refused error) error {
	listed, err := r.lookup(ctx, []string{"refs/heads/", "refs/tags/"})
	if err != nil {
		return err
	}
	missing := fault.New(fault.NotFound, "pull", u.at.String(), "there is no commit "+want.String()).
		WithHint("check git.ref.commit of the source")
	if r.speaks() == 2 { // this version gives any commit that the repository has
		return saidMissing(refused, missing)
	}
	for name := range listed.names {
		tip, _ := listed.commit(name)
		if err := r.fetch(ctx, fetchRequest{want: tip}, u.store.add); err != nil {
			return err
		}
		if u.store.complete(want) {
			return nil
		}
	}
	return missing
}

// saidMissing tells a server that does not have the commit from one that fails otherwise.
func saidMissing(refused error, missing *fault.Error) error {
	text := strings.ToLower(refused.Error())
	for _, words := range []string{"not our ref", "not found", "bad object", "unadvertised"} {
		if strings.Contains(text, words) {
			return missing
		}
	}
	return refused
}

// open makes the artifact of a commit in the store.
func (u *upstream) open(at target) (*artifact, error) {
	content, err := u.store.read(at.commit, plumbing.CommitObject, maxCommit)
	if err != nil {
		return nil, err
	}
	commit, err := decodeCommit(content)
	if err != nil {
		return nil, err
	}
	subject, _, _ := strings.Cut(strings.TrimSpace(commit.Message), "\n")
	return &artifact{
		store: u.store, commit: at.commit, root: commit.TreeHash, limit: u.opts.Limits.FileSize, mounts: map[string]mount{},
		revision: state.Revision{
			ID: at.commit.String(), Ref: at.ref, Time: commit.Committer.When.UTC(),
			Author: oneLine([]byte(commit.Author.Name + " <" + commit.Author.Email + ">")), Message: oneLine([]byte(subject)),
		},
	}, nil
}

// check holds an artifact against the limits, without reading any content.
func (u *upstream) check(a *artifact) error {
	root, err := u.store.tree(a.root)
	if err != nil {
		return u.treeError(err)
	}
	sum := root.totals
	for at, m := range a.mounts {
		t, err := m.store.tree(m.root)
		if err != nil {
			return u.treeError(err)
		}
		sum.add(t.totals, at)
	}
	if text := sum.exceeds(u.opts.Limits); text != "" {
		return fault.New(fault.Invalid, "pull", u.String(), text).
			WithHint("keep what is not configuration elsewhere; the revision before stays in force")
	}
	return nil
}

func (u *upstream) treeError(err error) error {
	if errors.Is(err, errTooDeep) || errors.Is(err, errBadName) {
		return fault.Wrap(fault.Invalid, "pull", u.String(), err)
	}
	return err
}

// Last gives the artifact of the revision that was good last, from disk.
func (u *upstream) Last() source.Artifact {
	u.lastMu.Lock()
	defer u.lastMu.Unlock()
	if u.last != nil {
		return u.last
	}
	r, ok := u.store.recall(u.key)
	if !ok && u.plain != "" { // signatures are demanded since: what was good before may be signed, too
		r, ok = u.store.recall(u.plain)
	}
	if !ok || !u.store.complete(plumbing.NewHash(r.Revision.ID)) {
		return nil
	}
	a, err := u.open(target{commit: plumbing.NewHash(r.Revision.ID), ref: r.Revision.Ref})
	if err != nil || u.verifyLocked(a, r.Tag) != nil || u.remount(a, r.Submodules) != nil || u.check(a) != nil {
		return nil
	}
	u.store.hold(a)
	u.last = a
	return a
}

// hold keeps an artifact's objects in the store for as long as somebody has the artifact.
func (s *store) hold(a *artifact) {
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	s.live = slices.DeleteFunc(s.live, func(w weak.Pointer[artifact]) bool { return w.Value() == nil })
	s.live = append(s.live, weak.Make(a))
	for _, m := range a.mounts {
		if m.store != s {
			m.store.liveMu.Lock()
			m.store.live = append(m.store.live, weak.Make(a))
			m.store.liveMu.Unlock()
		}
	}
}

// dial gets ready to talk; nothing is sent yet.
func (u *upstream) dial() (remote, error) {
	auth, err := u.secretsOf()
	if err != nil {
		return nil, err
	}
	u.shown = auth.password != "" || len(auth.key) > 0
	switch u.at.scheme {
	case "file":
		return openLocal(u.at.path)
	case "ssh":
		return &conversation{channel: &sshChannel{at: u.at, auth: auth, proxy: u.spec.Proxy}}, nil
	}
	if u.client == nil {
		var ca []byte
		if u.spec.CAFile != "" {
			if ca, err = readBounded(u.spec.CAFile); err != nil {
				return nil, fault.New(fault.Invalid, "read", "git.caFile", "the file "+u.spec.CAFile+" cannot be read")
			}
		}
		if u.client, err = newHTTPClient(ca, u.spec.Proxy, u.opts.Environ); err != nil {
			return nil, err
		}
	}
	base := &url.URL{Scheme: u.at.scheme, Host: u.at.host, Path: u.at.path}
	channel := &httpChannel{client: u.client, base: base, auth: auth, host: u.at.host}
	if u.talk != nil && u.talk.greeted && u.talk.version == 2 { // one request instead of two
		if old, ok := u.talk.channel.(*httpChannel); ok {
			channel.base = old.base
		}
		u.talk.channel = channel
		return &forgetful{u}, nil
	}
	u.talk = &conversation{channel: channel}
	return &forgetful{u}, nil
}

// forgetful begins the next conversation from nothing after an error: the server may have become another one.
type forgetful struct{ u *upstream }

func (f *forgetful) lookup(ctx context.Context, prefixes []string) (refs, error) {
	talk := f.u.talk
	remembered := talk.greeted
	found, err := talk.lookup(ctx, prefixes)
	f.after(err)
	var broken *url.Error
	if err != nil && ctx.Err() == nil && (remembered || errors.As(err, &broken)) {
		// The connection was kept from the last pull and may be stale; only a fresh one tells what is wrong.
		f.u.client.CloseIdleConnections()
		found, err = talk.lookup(ctx, prefixes)
		f.after(err)
	}
	return found, err
}

func (f *forgetful) fetch(ctx context.Context, req fetchRequest, take func(io.Reader) error) error {
	err := f.u.talk.fetch(ctx, req, take)
	f.after(err)
	return err
}

func (f *forgetful) after(err error) {
	if err != nil {
		f.u.talk.greeted = false
	}
}

func (f *forgetful) speaks() int { return f.u.talk.speaks() }

func (f *forgetful) close() {}

package git

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/signature"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/test/gitserver"
)

// signer is somebody who signs commits and tags with an SSH key.
type signer struct {
	t    *testing.T
	name string
	key  ssh.Signer
}

func newSigner(t *testing.T, name string) signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer{t, name, made}
}

// line allows the signer to sign.
func (p signer) line() string {
	return p.name + " " + string(ssh.MarshalAuthorizedKey(p.key.PublicKey()))
}

func (p signer) sign(payload string) string {
	p.t.Helper()
	made, err := sshsig.Sign(strings.NewReader(payload), p.key, sshsig.HashSHA512, "git")
	if err != nil {
		p.t.Fatal(err)
	}
	return string(sshsig.Armor(made))
}

// commit signs the commit at the tip of the branch main, as `git commit -S` does, and gives the commit that takes its place.
func (p signer) commit(s *site) string {
	content := s.repo.Git("cat-file", "commit", s.repo.Head()) + "\n"
	headers, message, _ := strings.Cut(content, "\n\n")
	made := strings.ReplaceAll(strings.TrimSpace(p.sign(content)), "\n", "\n ")
	id := s.object("commit", headers+"\ngpgsig "+made+"\n\n"+message)
	s.repo.ForcePush(id)
	return id
}

// tag signs an annotated tag of a commit, as `git tag -s` does.
func (p signer) tag(s *site, ref, name, commit string) {
	payload := fmt.Sprintf("object %s\ntype commit\ntag %s\ntagger Ann <ann@example.com> 1717243200 +0000\n\nRelease\n", commit, name)
	s.repo.Set("refs/tags/"+ref, s.object("tag", payload+p.sign(payload)))
}

// object writes an object into the repository.
func (s *site) object(kind, content string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "object")
	s.must(os.WriteFile(file, []byte(content), 0o600))
	return s.repo.Git("hash-object", "-t", kind, "-w", file)
}

// demanding opens the site with a demand for signatures.
func (s *site) demanding(all ...*v1alpha1.Verification) *upstream {
	s.t.Helper()
	return s.open(s.spec, Options{Verify: all})
}

func by(signed string, signers ...signer) *v1alpha1.Verification {
	var allowed strings.Builder
	for _, one := range signers {
		allowed.WriteString(one.line())
	}
	return &v1alpha1.Verification{Git: &v1alpha1.GitVerification{
		AllowedSigners: &v1alpha1.PublicKeys{Text: allowed.String()}, Signed: signed,
	}}
}

func (s *site) unverified(u source.Upstream, known source.Artifact, words string) {
	s.t.Helper()
	a, _, err := u.Pull(s.t.Context(), known)
	if a != nil || !errors.Is(err, signature.ErrUnverified) || !strings.Contains(err.Error(), words) || fault.HintOf(err) == "" {
		s.t.Errorf("got %v and error %v (hint %q), want one that is not verified, with %q", a, err, fault.HintOf(err), words)
	}
}

func (s *site) verified(u source.Upstream, known source.Artifact, who ...signer) source.Artifact {
	s.t.Helper()
	a, _, err := u.Pull(s.t.Context(), known)
	if err != nil {
		s.t.Fatalf("%v (hint: %s)", err, fault.HintOf(err))
	}
	var names []string
	for _, one := range who {
		names = append(names, one.name+" ("+ssh.FingerprintSHA256(one.key.PublicKey())+")")
	}
	if got, want := a.Revision().Signer, strings.Join(names, ", "); got != want {
		s.t.Errorf("signed by %q, want %q", got, want)
	}
	return a
}

func TestUnverifiedCommitsAreNotGiven(t *testing.T) {
	ann, eve := newSigner(t, "ann@example.com"), newSigner(t, "eve@example.com")
	for _, scheme := range []string{"http", "file"} {
		s := newSite(t, scheme, gitserver.Options{})
		u := s.demanding(by("", ann))
		s.Write(map[string]string{"a": "0"})
		s.unverified(u, nil, "not signed")
		if u.Last() != nil {
			t.Error("an unverified artifact is kept")
		}
		id := ann.commit(s)
		good := s.verified(u, nil, ann)
		if again := s.verified(u, good, ann); again != good {
			t.Error("an unchanged pull does not give what is known")
		}
		s.Write(map[string]string{"a": "1"})
		eve.commit(s)
		s.unverified(u, good, ssh.FingerprintSHA256(eve.key.PublicKey()))
		s.unverified(u, good, "which is not among the allowed signers") // and again
		if u.Last().Revision().ID != id {
			t.Errorf("the last good artifact is %v, want %s", u.Last().Revision(), id)
		}
		s.verified(s.demanding(by("", ann, eve)), nil, eve)
		s.verified(s.demanding(by("", ann, eve), by("commit", eve)), nil, eve)
		s.unverified(s.demanding(by("", eve), by("commit", ann)), nil, "not among the allowed signers")
	}
}

func TestAVerificationWithoutGitRefuses(t *testing.T) {
	ann := newSigner(t, "ann@example.com")
	s := newSite(t, "file", gitserver.Options{})
	s.Write(map[string]string{"a": "0"})
	ann.commit(s)
	s.unverified(s.demanding(by("", ann), &v1alpha1.Verification{Helm: &v1alpha1.HelmVerification{}}), nil, "not among the sources")
}

func TestSignedTags(t *testing.T) {
	ann, eve := newSigner(t, "ann@example.com"), newSigner(t, "eve@example.com")
	for _, scheme := range []string{"http", "file", "old"} {
		t.Run(scheme, func(t *testing.T) {
			s := newSite(t, scheme, gitserver.Options{OldProtocol: scheme == "old"})
			old := s.Write(map[string]string{"a": "1"})
			ann.tag(s, "v1.0.0", "v1.0.0", old)
			s.spec.Ref = v1alpha1.GitRef{Semver: "1.x"}
			tags, either := s.demanding(by("tag", ann)), s.demanding(by("any", ann))
			s.verified(tags, nil, ann)
			s.verified(either, nil, ann)
			s.unverified(s.demanding(by("commit", ann)), nil, "not signed")

			s.repo.Set("refs/tags/v1.1.0", s.Write(map[string]string{"a": "2"}))
			s.unverified(tags, nil, "no annotated tag")
			s.unverified(either, nil, "not signed")
			ann.commit(s)
			s.repo.Set("refs/tags/v1.2.0", s.repo.Head())
			s.verified(either, nil, ann)

			ann.tag(s, "v1.3.0", "v1.0.0", old) // an old tag under a new name
			s.unverified(tags, nil, `the tag "v1.0.0"`)
			eve.tag(s, "v1.4.0", "v1.4.0", old)
			s.unverified(tags, nil, "not among the allowed signers")
			s.unverified(either, nil, "not among the allowed signers")
			if tags.Last().Revision().Ref != "v1.0.0" {
				t.Errorf("the last good one is %v", tags.Last().Revision())
			}
			if again := s.demanding(by("tag", ann)).Last(); again == nil || again.Revision().Signer == "" {
				t.Errorf("after a restart the tag is not known any more: %v", again)
			}
		})
	}
}

func TestATagOfATagIsNotTheSignedOne(t *testing.T) {
	ann := newSigner(t, "ann@example.com")
	s := newSite(t, "file", gitserver.Options{})
	commit := s.Write(map[string]string{"a": "1"})
	ann.tag(s, "inner", "inner", commit)
	payload := fmt.Sprintf("object %s\ntype %s\ntag v1\ntagger Ann <ann@example.com> 1717243200 +0000\n\nx\n", s.repo.Git("rev-parse", "inner"), "tag")
	s.repo.Set("refs/tags/v1", s.object("tag", payload+ann.sign(payload)))
	s.spec.Ref = v1alpha1.GitRef{Tag: "v1"}
	if a, _, err := s.demanding(by("tag", ann)).Pull(t.Context(), nil); err == nil {
		t.Errorf("got %v", a.Revision())
	}
}

func TestKeptArtifactsAreVerifiedAgain(t *testing.T) {
	ann, eve := newSigner(t, "ann@example.com"), newSigner(t, "eve@example.com")
	s := newSite(t, "http", gitserver.Options{})
	s.Write(map[string]string{"a": "0"})
	id := ann.commit(s)
	plain, _, err := s.Upstream(source.DefaultLimits).Pull(t.Context(), nil)
	s.must(err)
	s.Stop() // only what is on disk
	if a := s.demanding(by("", ann)).Last(); a == nil || a.Revision().ID != id || a.Revision().Signer == "" {
		t.Errorf("what is signed is not given: %v", a)
	}
	if a := s.demanding(by("", eve)).Last(); a != nil {
		t.Errorf("what somebody else has signed is given: %v", a.Revision())
	}
	s.Start()
	s.unverified(s.demanding(by("", eve)), plain, "not among the allowed signers") // known from before
}

func TestKeysThatAreTakenBackCountNoMore(t *testing.T) {
	ann, eve := newSigner(t, "ann@example.com"), newSigner(t, "eve@example.com")
	s := newSite(t, "http", gitserver.Options{})
	s.Write(map[string]string{"a": "0"})
	ann.commit(s)
	file := filepath.Join(t.TempDir(), "allowed_signers")
	allow := func(who signer) { s.must(os.WriteFile(file, []byte(who.line()), 0o600)) }
	allow(ann)
	u := s.demanding(&v1alpha1.Verification{Git: &v1alpha1.GitVerification{AllowedSigners: &v1alpha1.PublicKeys{File: file}}})
	good := s.verified(u, nil, ann)
	allow(eve)
	s.unverified(u, good, "not among the allowed signers")
	s.must(os.Remove(file))
	if _, _, err := u.Pull(t.Context(), good); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), file) {
		t.Errorf("without the file: %v", err)
	}
	allow(ann)
	s.verified(u, good, ann)
}

func TestVerificationsMakeOtherUpstreams(t *testing.T) {
	ann, eve := newSigner(t, "ann@example.com"), newSigner(t, "eve@example.com")
	s := newSite(t, "file", gitserver.Options{})
	seen := map[string]bool{}
	for _, verify := range [][]*v1alpha1.Verification{nil, {by("", ann)}, {by("", eve)}, {by("tag", ann)}, {by("", ann), by("", eve)}} {
		seen[s.demanding(verify...).Key()] = true
	}
	if seen[s.demanding(by("", ann)).Key()] = true; len(seen) != 5 {
		t.Errorf("%d keys", len(seen))
	}
}

func TestSplittingCommits(t *testing.T) {
	const head, tail = "tree 1\nmergetag object 2\n gpgsig x\nauthor a\n", "\nmessage\ngpgsig no\n -----BEGIN SSH SIGNATURE-----\n"
	for name, test := range map[string]struct{ content, payload, signature string }{
		"unsigned":    {head + tail, head + tail, ""},
		"signed":      {head + "gpgsig one\n two\n" + tail, head + tail, "one\ntwo\n"},
		"signed anew": {head + "gpgsig one\n two\ngpgsig-sha256 three\n four\nencoding e\n" + tail, head + "encoding e\n" + tail, "one\ntwo\n"},
		"twice":       {"gpgsig one\n" + head + "gpgsig two\n" + tail, head + tail, "one\ntwo\n"},
		"cut off":     {"tree 1\ngpgsig one", "tree 1\n", "one"},
		"nothing":     {"", "", ""},
	} {
		parts := splitCommit([]byte(test.content))
		if string(parts.payload) != test.payload || string(parts.signature) != test.signature {
			t.Errorf("%s: %q and %q", name, parts.payload, parts.signature)
		}
	}
	const begin = "-----BEGIN PGP SIGNATURE-----\n"
	parts := splitTag([]byte("tag v1\n\nmessage\n" + begin + "quoted\n" + begin + "last\n"))
	if string(parts.payload) != "tag v1\n\nmessage\n"+begin+"quoted\n" || string(parts.signature) != begin+"last\n" {
		t.Errorf("%q and %q", parts.payload, parts.signature)
	}
}

// FuzzSplitting: no byte of an object is in both parts, and none of the payload is made up.
func FuzzSplitting(f *testing.F) {
	f.Add([]byte("tree 1\ngpgsig one\n two\n\nmessage\n"))
	f.Add([]byte("object 1\ntag v1\n\nx\n-----BEGIN SSH SIGNATURE-----\n"))
	f.Add([]byte("\n\n gpgsig \n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, parts := range []signedObject{splitCommit(content), splitTag(content)} {
			if len(parts.payload)+len(parts.signature) > len(content) {
				t.Errorf("%q and %q of %q", parts.payload, parts.signature, content)
			}
			if again := splitCommit(parts.payload); !bytes.Equal(again.payload, parts.payload) && again.signature == nil {
				t.Errorf("%q becomes %q", parts.payload, again.payload)
			}
		}
	})
}

package helm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"helm.sh/helm/v4/pkg/provenance"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
)

// person makes somebody who signs, and the key by which others know them.
func person(t *testing.T, name string) (*openpgp.Entity, string) {
	t.Helper()
	entity, err := openpgp.NewEntity(name, "", name+"@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	out, err := armor.Encode(&text, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(entity.Serialize(out), out.Close()); err != nil {
		t.Fatal(err)
	}
	return entity, text.String()
}

// sign signs an archive of the site, as `helm package --sign` does.
func (s *site) sign(name string, by *openpgp.Entity) {
	s.t.Helper()
	archive, err := os.ReadFile(filepath.Join(s.dir, name))
	s.must(err)
	signatory := provenance.Signatory{Entity: by}
	text, err := signatory.ClearSign(archive, name, []byte("name: app\n"))
	s.must(err)
	s.must(os.WriteFile(filepath.Join(s.dir, name+".prov"), []byte(text), 0o600))
}

func TestASignedChartIsTakenForAsLongAsItsKeyCounts(t *testing.T) {
	s := newSite(t)
	s.publish("1.0.0")
	ann, annsKey := person(t, "ann")
	bob, bobsKey := person(t, "bob")
	s.sign("app-1.0.0.tgz", ann)
	keys := annsKey + bobsKey
	opts := Options{
		Options: packed.Options{Getenv: func(string) string { return keys }},
		Verify: []*v1alpha1.Verification{
			{Helm: &v1alpha1.HelmVerification{PGPKeys: &v1alpha1.PublicKeys{Env: "KEYS"}}},
			{Helm: &v1alpha1.HelmVerification{PGPKeys: &v1alpha1.PublicKeys{Text: annsKey + bobsKey}}},
		},
	}
	u := s.open(v1alpha1.HelmSource{}, opts)
	a, _ := sourcetest.Pull(t, u, nil)
	if !strings.Contains(a.Revision().Author, "ann") {
		t.Errorf("the signer is not told: %+v", a.Revision())
	}
	if again, _ := sourcetest.Pull(t, u, a); again != a {
		t.Error("what is known is not given back")
	}
	keys = bobsKey
	if _, _, err := u.Pull(t.Context(), a); !errors.Is(err, fault.ErrUnverified) || !strings.Contains(err.Error(), "app-1.0.0.tgz") {
		t.Errorf("a key that does not count any more gives %v", err)
	}
	if u.Last() != nil {
		t.Error("what it has signed is still given from disk")
	}
	s.sign("app-1.0.0.tgz", bob)
	if again, _ := sourcetest.Pull(t, u, a); again.Revision().ID != a.Revision().ID || !strings.Contains(again.Revision().Author, "bob") {
		t.Errorf("got %+v", again.Revision())
	}
}

// A signature under an old chart does not make it a new one.
func TestAnOldChartIsNotGivenOutAsANewOne(t *testing.T) {
	s := newSite(t)
	old := sourcetest.TarGz(t, file{Name: "app/Chart.yaml", Content: chartYAML("1.0.0")})
	s.put("app-1.0.0.tgz", old)
	ann, key := person(t, "ann")
	s.sign("app-1.0.0.tgz", ann)
	index := "entries:\n  app:\n  - version: 2.0.0\n    urls: [app-1.0.0.tgz]\n    digest: " + idOf(old) + "\n"
	s.must(os.WriteFile(filepath.Join(s.dir, "index.yaml"), []byte(index), 0o600))
	verify := []*v1alpha1.Verification{{Helm: &v1alpha1.HelmVerification{PGPKeys: &v1alpha1.PublicKeys{Text: key}}}}
	refused(t, s.open(v1alpha1.HelmSource{}, Options{Verify: verify}), fault.Invalid, "another version")
}

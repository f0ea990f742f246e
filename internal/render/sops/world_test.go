package sops_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	library "github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/pgp"
	"github.com/getsops/sops/v3/stores/dotenv"
	"github.com/getsops/sops/v3/stores/ini"
	"github.com/getsops/sops/v3/stores/json"
	"github.com/getsops/sops/v3/stores/yaml"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/sops"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// store gives SOPS' own reader and writer of a format, by its name.
func store(t testing.TB, format string) library.Store {
	t.Helper()
	stores := config.NewStoresConfig()
	switch format {
	case "yaml":
		return yaml.NewStore(&stores.YAML)
	case "json":
		return json.NewStore(&stores.JSON)
	case "dotenv":
		return dotenv.NewStore(&stores.Dotenv)
	case "ini":
		return ini.NewStore(&stores.INI)
	case "binary":
		return json.NewBinaryStore(&stores.JSONBinary)
	}
	t.Fatalf("there is no format %s", format)
	return nil
}

// encrypt makes a SOPS document, for a key in each group.
func encrypt(t testing.TB, format, text string, change func(*library.Metadata), groups ...sealer) string {
	t.Helper()
	s := store(t, format)
	branches, err := s.LoadPlainFile([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	dataKey := make([]byte, 32)
	_, _ = rand.Read(dataKey)
	meta := library.Metadata{Version: "3.13.3", UnencryptedSuffix: "_unencrypted", LastModified: time.Now().UTC()}
	var group library.KeyGroup
	for _, seal := range groups {
		group = append(group, seal(t, dataKey))
	}
	meta.KeyGroups = []library.KeyGroup{group}
	if change != nil {
		change(&meta)
	}
	tree := library.Tree{Branches: branches, Metadata: meta}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(dataKey, cipher)
	if err != nil {
		t.Fatal(err)
	}
	tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, dataKey, meta.LastModified.Format(time.RFC3339))
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.EmitEncryptedFile(tree)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// sealer encrypts a data key for one key.
type sealer func(t testing.TB, dataKey []byte) keys.MasterKey

func forAge(recipient string) sealer {
	return func(t testing.TB, dataKey []byte) keys.MasterKey {
		t.Helper()
		key, err := sopsage.MasterKeyFromRecipient(recipient)
		if err == nil {
			err = key.Encrypt(dataKey)
		}
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
}

func forPGP(entity *openpgp.Entity) sealer {
	return func(t testing.TB, dataKey []byte) keys.MasterKey {
		t.Helper()
		var out bytes.Buffer
		armored, err := armor.Encode(&out, "PGP MESSAGE", nil)
		if err != nil {
			t.Fatal(err)
		}
		in, err := openpgp.Encrypt(armored, openpgp.EntityList{entity}, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(dataKey); err != nil {
			t.Fatal(err)
		}
		for _, one := range []io.Closer{in, armored} {
			if err := one.Close(); err != nil {
				t.Fatal(err)
			}
		}
		key := pgp.NewMasterKeyFromFingerprint(fingerprint(entity))
		key.EncryptedKey = out.String()
		return key
	}
}

func fingerprint(entity *openpgp.Entity) string {
	var b strings.Builder
	for _, c := range entity.PrimaryKey.Fingerprint {
		const digits = "0123456789ABCDEF"
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

func newPGP(t testing.TB) (entity *openpgp.Entity, armored string) {
	t.Helper()
	entity, err := openpgp.NewEntity("test", "", "test@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	block, err := armor.Encode(&out, openpgp.PrivateKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := entity.SerializePrivate(block, nil); err != nil {
		t.Fatal(err)
	}
	_ = block.Close()
	return entity, out.String()
}

func newAge(t testing.TB) *age.X25519Identity {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// tree makes an artifact.
func tree(files map[string]string) *memory.Artifact {
	return memory.New(state.Revision{ID: "0123456789abcdef0123456789abcdef01234567"}, files)
}

// environ gives the variables of a test.
func environ(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

// read decrypts with an environment.
func decrypted(t testing.TB, variables map[string]string, files map[string]string) source.Artifact {
	t.Helper()
	one, err := sops.New(sops.Options{Getenv: environ(variables)}).Decrypt(t.Context(), render.Request{Artifact: tree(files)})
	if err != nil {
		t.Fatal(err)
	}
	return one
}

func named(keys ...v1alpha1.DecryptKey) v1alpha1.Rendering {
	return v1alpha1.Rendering{Decrypt: &v1alpha1.Decrypt{Keys: keys}}
}

package seal_test

import (
	"bytes"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/seal"
)

func box(t *testing.T, key, purpose string) seal.Box {
	t.Helper()
	b, err := seal.New([]byte(key), purpose)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const key = "0123456789abcdef0123456789abcdef"

func TestOpensOnlyWithKeyPurposeAndName(t *testing.T) {
	b := box(t, key, "states")
	sealed := b.Seal([]byte("secret"), "shop")
	if bytes.Contains(sealed, []byte("secret")) || bytes.Equal(sealed, b.Seal([]byte("secret"), "shop")) {
		t.Errorf("sealed as %x", sealed)
	}
	if got, err := box(t, key, "states").Open(sealed, "shop"); string(got) != "secret" || err != nil {
		t.Errorf("opened %q, %v", got, err)
	}
	for what, open := range map[string]func() ([]byte, error){
		"another name":    func() ([]byte, error) { return b.Open(sealed, "web") },
		"another purpose": func() ([]byte, error) { return box(t, key, "journal").Open(sealed, "shop") },
		"another key":     func() ([]byte, error) { return box(t, "x"+key, "states").Open(sealed, "shop") },
		"a change": func() ([]byte, error) {
			return b.Open(append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1), "shop")
		},
		"too short": func() ([]byte, error) { return b.Open(sealed[:5], "shop") },
		"no key":    func() ([]byte, error) { return seal.Box{}.Open(sealed, "shop") },
	} {
		if got, err := open(); err == nil {
			t.Errorf("%s: opened as %q", what, got)
		}
	}
	if _, err := seal.New([]byte("short"), "states"); err == nil {
		t.Error("a short key is taken")
	}
}

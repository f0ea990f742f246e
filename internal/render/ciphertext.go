package render

import (
	"encoding/base64"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// ciphertext is how SOPS begins an encrypted value.
const ciphertext = "ENC[AES256_GCM,data:"

// encrypted says that an object still holds a value that SOPS has encrypted: its document has lost what it takes to decrypt it, so that the
// ciphertext would become the password. Nil when it holds none.
func encrypted(object *state.Object) error {
	at, found := findCiphertext("", object.Content())
	if !found {
		return nil
	}
	return fault.New(fault.Invalid, "read", at, "it is still encrypted, as no SOPS document that could be decrypted").
		WithHint("encrypt the whole file with sops, which keeps what it needs under the key sops; " +
			"that is missing or broken, or is inside of a list")
}

// findCiphertext gives the path of the first such value, as it is or in base64.
func findCiphertext(at string, value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return at, strings.Contains(v, ciphertext) || strings.HasPrefix(v, ciphertextBase64)
	case []any:
		for _, item := range v {
			if at, found := findCiphertext(at, item); found {
				return at, true
			}
		}
	case map[string]any:
		for name, item := range v {
			if at, found := findCiphertext(strings.TrimPrefix(at+"."+name, "."), item); found {
				return at, true
			}
		}
	}
	return "", false
}

// ciphertextBase64 is the same in the data of a Secret, without the last characters, which depend on what follows.
var ciphertextBase64 = base64.StdEncoding.EncodeToString([]byte(ciphertext))[:len(ciphertext)/3*4]

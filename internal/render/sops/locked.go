package sops

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/keyservice"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// The bounds of what is told of keys.
const (
	maxNamed   = 6
	maxKeyName = 110
	keptName   = 40
)

// refused remembers that a key did not open the document.
func (a *asking) refused(key *keyservice.Key, err error) {
	one := refusal{key: nameOf(key)}
	var not forbidden
	switch {
	case errors.Is(err, errNotHere):
	case errors.As(err, &not):
		one.why = not.Error()
	default:
		one.why, one.wait = "it did not open it", passing(err)
		if one.wait {
			one.why = "it did not answer"
		}
		a.log.WarnContext(a.ctx, "a key service has not opened a SOPS document", "file", a.file, "key", one.key, "error", err)
	}
	a.closed = append(a.closed, one)
}

// locked is the error of a document that nothing opens: it names every key that would have.
func (a *asking) locked(meta sops.Metadata) error {
	if err := a.ctx.Err(); err != nil {
		return fault.Wrap(fault.Transient, "decrypt", a.file, err)
	}
	kind := fault.Denied
	var names []string
	for _, one := range a.closed {
		name := one.key
		if one.why != "" {
			name += " (" + one.why + ")"
		}
		if one.wait {
			kind = fault.Transient
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return broken(a.file, "its data key cannot be put together from its groups of keys")
	}
	cause := "it is encrypted for " + listed(names) + "; none of the keys at hand opens it"
	if groups := len(meta.KeyGroups); groups > 1 {
		const needs = "it takes the keys of %d of its %d groups; these are not at hand: %s"
		cause = fmt.Sprintf(needs, meta.ShamirThreshold, groups, listed(names))
	}
	return fault.New(kind, "decrypt", a.file, cause).WithHint(a.hint())
}

// hint says what to do when no key opens a document.
func (a *asking) hint() string {
	where := "give the agent the private key of one of them by SOPS_AGE_KEY_FILE or " + pgpKeyFile
	switch {
	case a.keys.own:
		where = "add the private key of one of them to spec.decrypt.keys"
	case a.unasked:
		where = "have key services asked with --sops-services, or name a private key by SOPS_AGE_KEY_FILE or " + pgpKeyFile
	case a.keys.off:
		where = "name the private key of one of them by SOPS_AGE_KEY_FILE or " + pgpKeyFile
	}
	return where + ", or encrypt the document for a key that is there (sops updatekeys); looked in: " + a.keys.sources()
}

func listed(names []string) string {
	if len(names) > maxNamed {
		return strings.Join(names[:maxNamed], ", ") + fmt.Sprintf(" and %d more", len(names)-maxNamed)
	}
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// nameOf names the key that a data key is encrypted for.
func nameOf(key *keyservice.Key) string {
	switch one := key.GetKeyType().(type) {
	case *keyservice.Key_AgeKey:
		return shown(one.AgeKey.GetRecipient())
	case *keyservice.Key_PgpKey:
		return "PGP " + shown(one.PgpKey.GetFingerprint())
	case *keyservice.Key_KmsKey:
		return "AWS KMS " + shown(one.KmsKey.GetArn())
	case *keyservice.Key_GcpKmsKey:
		return "GCP KMS " + shown(one.GcpKmsKey.GetResourceId())
	case *keyservice.Key_AzureKeyvaultKey:
		return "Azure Key Vault " + shown(one.AzureKeyvaultKey.GetVaultUrl()+"/keys/"+one.AzureKeyvaultKey.GetName())
	case *keyservice.Key_VaultKey:
		return "Vault " + shown(one.VaultKey.GetVaultAddress()+"/v1/"+one.VaultKey.GetEnginePath()+"/keys/"+one.VaultKey.GetKeyName())
	}
	return "a key of an unknown kind"
}

// shown makes a name that a document gives fit for people: on one line, and no longer than it helps.
func shown(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(name, ""))
	if len(name) <= maxKeyName {
		return name
	}
	return strings.ToValidUTF8(name[:keptName], "") + "…"
}

package sops

import (
	"errors"
	"fmt"
	"regexp/syntax"

	"github.com/getsops/sops/v3"

	"github.com/setpoint-dev/setpoint/internal/fault"
	documents "github.com/setpoint-dev/setpoint/internal/render/document"
)

// The bounds of one document. Each keeps small what a hostile repository can make the agent do.
const (
	maxDocument  = 4 << 20 // bytes of ciphertext
	maxUnread    = 64 << 20
	maxGroups    = 20
	maxKeys      = 100      // in all groups
	maxSealedKey = 64 << 10 // bytes of a data key as it is encrypted for one key
	maxValues    = 20_000
	maxRule      = 500 // instructions of an expression that says what is encrypted: it is compiled for each value
	maxDataKey   = 1 << 10
)

func tooMuch(name, cause string) error {
	return fault.New(fault.Invalid, "decrypt", name, cause).WithHint("split the document")
}

func broken(name, cause string) error {
	return fault.New(fault.Invalid, "decrypt", name, cause).
		WithHint("encrypt it anew from its plaintext (sops encrypt), or take the last good version of the file")
}

// bounded says what of a document is too much.
func (d document) bounded(tree sops.Tree) error {
	meta := tree.Metadata
	if len(meta.KeyGroups) > maxGroups {
		return tooMuch(d.name, fmt.Sprintf("it has more than %d groups of keys", maxGroups))
	}
	keys := 0
	for _, group := range meta.KeyGroups {
		keys += len(group)
		for _, key := range group {
			if len(key.EncryptedDataKey()) > maxSealedKey {
				return broken(d.name, "one of its data keys is longer than any data key")
			}
		}
	}
	if keys > maxKeys {
		return tooMuch(d.name, fmt.Sprintf("it is encrypted for more than %d keys", maxKeys))
	}
	for _, rule := range []string{
		meta.EncryptedRegex, meta.UnencryptedRegex, meta.EncryptedCommentRegex, meta.UnencryptedCommentRegex,
	} {
		if err := boundedRule(rule); err != nil {
			return broken(d.name, "the expression that says which of its values are encrypted "+err.Error())
		}
	}
	return nil
}

func boundedRule(rule string) error {
	if len(rule) > maxRule {
		return errors.New("is too long")
	}
	parsed, err := syntax.Parse(rule, syntax.Perl)
	if err != nil {
		return errors.New("is none")
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(program.Inst) > maxRule {
		return errors.New("is too long")
	}
	return nil
}

// expanded bounds what aliases make of YAML, before anything expands them.
func (d document) expanded() error {
	if d.format != asYAML {
		return nil
	}
	return documents.Bounded(d.data, d.name)
}

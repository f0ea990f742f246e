package sops

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// keys are what documents may be opened with.
type keys struct {
	age  []age.Identity
	pgp  openpgp.EntityList
	own  bool                     // a Sync's own: no key service is asked
	off  bool                     // no key service is asked at all
	env  func(name string) string // of the agent, for what key services may be asked
	from []string                 // where keys were looked for, for people
}

// keys finds those of a request.
func (d *Decrypter) keys(ctx context.Context, request render.Request) (*keys, error) {
	found := &keys{env: d.options.Getenv, off: d.options.Offline}
	if request.How.Decrypt == nil || len(request.How.Decrypt.Keys) == 0 {
		return found, d.environment(found)
	}
	found.own = true
	for i, key := range request.How.Decrypt.Keys {
		where := fmt.Sprintf("spec.decrypt.keys[%d]", i)
		if err := d.declared(ctx, request, found, at{key, where}); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// at is a key that a Sync names, and where.
type at struct {
	key   v1alpha1.DecryptKey
	where string
}

// declared adds a key that a Sync names.
func (d *Decrypter) declared(ctx context.Context, request render.Request, to *keys, one at) error {
	switch key := one.key; {
	case key.Env != "":
		text := d.options.Getenv(key.Env)
		if text == "" {
			return fault.New(fault.Denied, "read", one.where, "the agent's environment has no variable "+key.Env).
				WithHint("set it where the agent is started, and restart the agent")
		}
		return to.add([]byte(text), one.where+" ("+key.Env+")")
	case key.File != "":
		return d.file(to, key.File, one.where+" ("+key.File+")")
	case key.Secret != nil:
		return secretKeys(ctx, request, to, one)
	}
	return fault.New(fault.Invalid, "read", one.where, "it names no key").WithHint("set one of env, file and secret")
}

// file adds the keys of a file.
func (d *Decrypter) file(to *keys, name, where string) error {
	data, err := d.options.ReadFile(name)
	if err != nil {
		return fault.New(fault.Denied, "read", where, "the file of keys cannot be read: "+reasonOf(err)).
			WithHint("put the private key there, readable for the agent's user alone")
	}
	return to.add(data, where)
}

// secretKeys adds the keys of a Secret of the cluster.
func secretKeys(ctx context.Context, request render.Request, to *keys, one at) error {
	named := one.key.Secret
	id := state.ID{Kind: "Secret", Namespace: cmp.Or(named.Namespace, request.Namespace, "default"), Name: named.Name}
	where := one.where + " (" + id.String() + ")"
	if request.Outside.Values == nil {
		return fault.New(fault.Denied, "read", where, "there is no cluster to read it from").
			WithHint("name the key by env or file, or render where the cluster can be reached")
	}
	object, err := request.Outside.Values.Object(ctx, id)
	if err != nil {
		return err
	}
	data, _ := object.Content()["data"].(map[string]any)
	count := 0
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if ext := path.Ext(name); ext != ".agekey" && ext != ".asc" {
			continue
		}
		text, _ := data[name].(string)
		plain, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fault.New(fault.Invalid, "read", where, "the value of "+name+" is no base64")
		}
		if err := to.add(plain, where+" "+name); err != nil {
			return err
		}
		count++
	}
	if count == 0 {
		return fault.New(fault.Invalid, "read", where, "it has no key that ends in .agekey or .asc").
			WithHint("kubectl create secret generic " + id.Name + " --from-file=age.agekey=PRIVATE_KEY_FILE")
	}
	return nil
}

// sources says where keys came from, for people.
func (k *keys) sources() string {
	if len(k.from) == 0 {
		return "there are no keys at hand"
	}
	const shown = 4
	if len(k.from) > shown {
		return strings.Join(k.from[:shown], ", ") + fmt.Sprintf(" and %d more", len(k.from)-shown)
	}
	return strings.Join(k.from, ", ")
}

package files

import (
	"crypto/sha256"
	"strconv"
	"sync"
	"time"
	"unique"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// sum is the hash of a content.
type sum [sha256.Size]byte

// declaration is what an object of any of the three kinds wants.
type declaration struct {
	terms
	subject
}

// terms are the part of a declaration that thousands have in common.
type terms struct {
	kind         rootfs.Type
	owner, group string // "" for the agent's
	deletion     string
	mode         uint32
	sensitive    bool
	purge        bool
	fixed        bool          // its content depends on nothing but the object
	timeout      time.Duration // of command
}

// subject is the part of a declaration that is its own.
type subject struct {
	path    string
	target  string   // of a link
	sum     sum      // of a file's content
	size    int64    // of it, in bytes
	command []string // validates a new file; nil for none
	sources []string // files of the host that its secrets are in
}

// declare reads an object, without its content where that was made before and cannot be another now.
func (d *Driver) declare(want *state.Object) (declaration, error) {
	// That it holds secrets is not part of the digest.
	if known, ok := d.declared.get(want); ok && (known.sensitive || len(want.Secrets()) == 0) {
		return known, nil
	}
	c, _, err := d.compose(want)
	if err == nil && c.fixed {
		d.declared.set(want, c)
	}
	return c, err
}

// compose reads an object, and makes its content. On an error the declaration has the path, where that is known.
func (d *Driver) compose(want *state.Object) (declaration, []byte, error) {
	switch want.Kind() {
	case v1alpha1.KindFile:
		file, err := v1alpha1.DecodeFile(want)
		if err != nil {
			return declaration{}, nil, err
		}
		if len(want.Secrets()) > 0 {
			file.Spec.Sensitive = true
			if spec, _ := want.Content()["spec"].(map[string]any); spec["mode"] == nil {
				file.Spec.Mode = v1alpha1.DefaultSensitiveMode
			}
		}
		return d.composeFile(&file.Spec)
	case v1alpha1.KindDirectory:
		directory, err := v1alpha1.DecodeDirectory(want)
		if err != nil {
			return declaration{}, nil, err
		}
		s := &directory.Spec
		mode, err := parseMode(s.Path, s.Mode)
		return declaration{
			terms{
				kind: rootfs.Directory, mode: mode, owner: s.Owner, group: s.Group, deletion: s.Deletion, purge: s.Purge, fixed: true,
			},
			subject{path: s.Path},
		}, nil, err
	case v1alpha1.KindLink:
		link, err := v1alpha1.DecodeLink(want)
		if err != nil {
			return declaration{}, nil, err
		}
		s := &link.Spec
		return declaration{
			terms{kind: rootfs.Link, owner: s.Owner, group: s.Group, deletion: s.Deletion, fixed: true},
			subject{path: s.Path, target: s.Target},
		}, nil, nil
	}
	return declaration{}, nil, fault.New(fault.Invalid, "read", want.ID().String(), "there is no such kind on a host")
}

func (d *Driver) composeFile(s *v1alpha1.FileSpec) (declaration, []byte, error) {
	c := declaration{
		terms{kind: rootfs.File, owner: s.Owner, group: s.Group, deletion: s.Deletion, sensitive: s.Sensitive},
		subject{path: s.Path, sources: sourcesOf(s)},
	}
	if s.Validate != nil {
		c.command, c.timeout = s.Validate.Command, time.Duration(s.Validate.Timeout)
	}
	var err error
	if c.mode, err = parseMode(s.Path, s.Mode); err != nil {
		return c, nil, err
	}
	content, fixed, err := d.content(s)
	if err != nil {
		return c, nil, err
	}
	c.sum, c.size, c.fixed = sha256.Sum256(content), int64(len(content)), fixed
	return c, content, nil
}

func parseMode(path, mode string) (uint32, error) {
	bits, err := strconv.ParseUint(mode, 8, 32)
	if err != nil || bits > 0o7777 {
		return 0, fault.New(fault.Invalid, "read the mode of", path, strconv.Quote(mode)+" is not a mode").
			WithHint("write it in octal digits, such as \"0644\"")
	}
	return uint32(bits), nil
}

// attributes gives the numbers of a declaration's owners. A name that is not known is a fault of kind NotFound.
func (d *Driver) attributes(c declaration) (rootfs.Attributes, error) {
	a := rootfs.Attributes{Mode: c.mode, UID: d.uid, GID: d.gid}
	var err error
	if c.owner != "" {
		if a.UID, err = d.cfg.Root.User(c.owner); err != nil {
			return a, err
		}
	}
	if c.group != "" {
		a.GID, err = d.cfg.Root.Group(c.group)
	}
	return a, err
}

// declared remembers declarations: thousands of them are compared again and again, and hardly ever change.
type declared struct {
	mu   sync.RWMutex
	byID map[state.ID]*known
}

type known struct {
	digest state.Digest // of the object
	terms  unique.Handle[terms]
	subject
}

// maxKnown bounds what is remembered; it is forgotten when there is more, and made again.
const maxKnown = 200_000

func (k *declared) get(want *state.Object) (declaration, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if found := k.byID[want.ID()]; found != nil && found.digest == want.Digest() {
		return declaration{found.terms.Value(), found.subject}, true
	}
	return declaration{}, false
}

func (k *declared) set(want *state.Object, c declaration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.byID) >= maxKnown {
		clear(k.byID)
	}
	k.byID[want.ID()] = &known{want.Digest(), unique.Make(c.terms), c.subject}
}

func (k *declared) forget(id state.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byID, id)
}

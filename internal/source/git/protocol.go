package git

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// The bounds of what a server may list: references, and bytes of their names.
const (
	maxRefs     = 1 << 20
	maxRefBytes = 128 << 20
)

const agentName = "setpoint"

// refs is what a server says about its references.
type refs struct {
	names  map[string]plumbing.Hash
	peeled map[string]plumbing.Hash // what annotated tags point to
	head   string                   // the branch that HEAD stands for, when told
}

func newRefs() refs {
	return refs{names: map[string]plumbing.Hash{}, peeled: map[string]plumbing.Hash{}}
}

// commit gives what a reference leads to, through an annotated tag.
func (r refs) commit(name string) (plumbing.Hash, bool) {
	if h, ok := r.peeled[name]; ok {
		return h, true
	}
	h, ok := r.names[name]
	return h, ok
}

// tag gives the annotated tag that a reference is; zero for one that leads to its commit directly.
func (r refs) tag(name string) plumbing.Hash {
	if _, annotated := r.peeled[name]; annotated {
		return r.names[name]
	}
	return plumbing.ZeroHash
}

// fetchRequest asks for one commit, or for an annotated tag with its commit.
type fetchRequest struct {
	want  plumbing.Hash
	haves []plumbing.Hash // commits whose trees are here
	// shallow says that nothing of the haves' history is here. Without it the server leaves out what it reaches.
	shallow bool
	depth   int  // 0: the whole history
	commits bool // only commits are of interest, where the server can leave out the rest
	// has tells whether an object is here already; only used for repositories on this machine.
	has func(plumbing.Hash) bool
}

// thin says that the pack may build on objects that are here. Without that, servers send the whole tree to whoever has no
// history, since they look at the haves' trees only to find bases for deltas.
func (r fetchRequest) thin() bool { return len(r.haves) > 0 && !r.commits }

// remote is a repository to ask. Its methods are called one after the other.
type remote interface {
	// lookup lists the references that begin with one of the prefixes; it may list more.
	lookup(ctx context.Context, prefixes []string) (refs, error)
	// fetch streams a pack to take.
	fetch(ctx context.Context, req fetchRequest, take func(io.Reader) error) error
	// speaks gives the protocol's version, once lookup or fetch has been called.
	speaks() int
	close()
}

// channel carries the conversation with git-upload-pack.
type channel interface {
	// greet gives what the server says first.
	greet(ctx context.Context) (io.ReadCloser, error)
	// ask sends a request and gives the response.
	ask(ctx context.Context, request []byte) (io.ReadCloser, error)
	close()
}

// conversation speaks Git's protocol version 2, which lists only the references asked for, and version 0 where the server
// knows no better.
type conversation struct {
	channel
	greeted bool
	version int
	caps    map[string]string
	refs    refs // version 0: all of them, told at once
}

func (c *conversation) open(ctx context.Context) error {
	if c.greeted {
		return nil
	}
	body, err := c.greet(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	f := newFramesOf(body)
	kind, line, err := f.line()
	if err == nil && strings.HasPrefix(line, "# service=") { // HTTP puts this and a flush before the rest
		if kind, line, err = f.line(); err == nil && kind == frameFlush {
			kind, line, err = f.line()
		}
	}
	if err != nil {
		return unexpected(err)
	}
	c.caps = map[string]string{}
	if line == "version 2" {
		c.version = 2
		err = c.readCapabilities(f)
	} else {
		err = c.readAdvertisement(f, kind, line)
	}
	c.greeted = err == nil
	return err
}

func (c *conversation) readCapabilities(f *frames) error {
	for range 1000 {
		kind, line, err := f.line()
		if err != nil {
			return unexpected(err)
		}
		if kind == frameFlush {
			return nil
		}
		name, value, _ := strings.Cut(line, "=")
		c.caps[name] = value
	}
	return errNotGit
}

// readAdvertisement reads version 0's list of all references; the capabilities follow the first one.
func (c *conversation) readAdvertisement(f *frames, kind int, line string) error {
	c.refs = newRefs()
	left := maxRefBytes
	for first := true; kind == frameData; first = false {
		if left -= len(line); left < 0 {
			return errTooLarge
		}
		text, caps, _ := strings.Cut(line, "\x00")
		if first {
			c.readOldCapabilities(caps)
		}
		id, name, ok := strings.Cut(text, " ")
		if !ok || !plumbing.IsHash(id) || len(c.refs.names) > maxRefs {
			if strings.HasPrefix(text, "version ") || strings.HasPrefix(text, "shallow ") {
				id = ""
			} else {
				return errNotGit
			}
		}
		switch tag, peeled := strings.CutSuffix(name, "^{}"); {
		case id == "" || name == "capabilities^{}":
		case peeled:
			c.refs.peeled[tag] = plumbing.NewHash(id)
		default:
			c.refs.names[name] = plumbing.NewHash(id)
		}
		var err error
		if kind, line, err = f.line(); err != nil {
			return unexpected(err)
		}
	}
	return nil
}

func (c *conversation) readOldCapabilities(text string) {
	for word := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(word, "=")
		if name == "symref" {
			if target, ok := strings.CutPrefix(value, "HEAD:"); ok {
				c.refs.head = target
			}
		}
		c.caps[name] = value
	}
}

func (c *conversation) lookup(ctx context.Context, prefixes []string) (refs, error) {
	if err := c.open(ctx); err != nil {
		return refs{}, err
	}
	if c.version != 2 {
		return c.refs, nil
	}
	var m message
	m.linef("command=ls-refs")
	m.linef("agent=%s", agentName)
	m.delim()
	m.linef("peel")
	m.linef("symrefs")
	for _, p := range prefixes {
		m.linef("ref-prefix %s", p)
	}
	m.flush()
	body, err := c.ask(ctx, m.Bytes())
	if err != nil {
		return refs{}, err
	}
	defer body.Close()
	return readRefs(newFramesOf(body))
}

func readRefs(f *frames) (refs, error) {
	found := newRefs()
	left := maxRefBytes
	for len(found.names) <= maxRefs {
		kind, line, err := f.line()
		if err != nil {
			return refs{}, unexpected(err)
		}
		if left -= len(line); left < 0 {
			return refs{}, errTooLarge
		}
		if kind != frameData {
			return found, nil
		}
		fields := strings.Fields(line)
		if len(fields) < 2 || !plumbing.IsHash(fields[0]) {
			return refs{}, errNotGit
		}
		name := fields[1]
		found.names[name] = plumbing.NewHash(fields[0])
		for _, attribute := range fields[2:] {
			if id, ok := strings.CutPrefix(attribute, "peeled:"); ok {
				found.peeled[name] = plumbing.NewHash(id)
			} else if target, ok := strings.CutPrefix(attribute, "symref-target:"); ok && name == "HEAD" {
				found.head = target
			}
		}
	}
	return refs{}, errNotGit
}

func (c *conversation) fetch(ctx context.Context, req fetchRequest, take func(io.Reader) error) error {
	if err := c.open(ctx); err != nil {
		return err
	}
	request := c.encodeOld(req)
	if c.version == 2 {
		request = c.encodeNew(req)
	}
	body, err := c.ask(ctx, request)
	if err != nil {
		return err
	}
	defer body.Close()
	if c.version != 2 { // the old protocol is over after one pack
		defer func() {
			c.channel.close()
			c.greeted = false
		}()
	}
	return take(&sideband{frames: newFramesOf(body)})
}

func (c *conversation) encodeNew(req fetchRequest) []byte {
	var m message
	m.linef("command=fetch")
	m.linef("agent=%s", agentName)
	m.delim()
	m.linef("ofs-delta")
	m.linef("no-progress")
	if req.thin() {
		m.linef("thin-pack")
	}
	features := strings.Fields(c.caps["fetch"])
	m.wants(req, slices.Contains(features, "shallow"), slices.Contains(features, "filter"))
	m.linef("want %s", req.want)
	m.havesOf(req)
	m.linef("done")
	m.flush()
	return m.Bytes()
}

func (c *conversation) encodeOld(req fetchRequest) []byte {
	words := []string{}
	for _, word := range []string{"multi_ack_detailed", "side-band-64k", "ofs-delta", "no-progress", "shallow", "filter", "thin-pack"} {
		if _, ok := c.caps[word]; ok && (word != "thin-pack" || req.thin()) {
			words = append(words, word)
		}
	}
	_, shallow := c.caps["shallow"]
	_, filter := c.caps["filter"]
	var m message
	m.linef("want %s %s agent=%s", req.want, strings.Join(words, " "), agentName)
	m.wants(req, shallow, filter)
	m.flush()
	m.havesOf(req)
	m.linef("done")
	return m.Bytes()
}

func (m *message) wants(req fetchRequest, shallow, filter bool) {
	if shallow && req.shallow {
		for _, h := range req.haves {
			m.linef("shallow %s", h)
		}
	}
	if shallow && req.depth > 0 {
		m.linef("deepen %d", req.depth)
	}
	if filter && req.commits {
		m.linef("filter tree:0")
	}
}

func (m *message) havesOf(req fetchRequest) {
	for _, h := range req.haves {
		m.linef("have %s", h)
	}
}

func (c *conversation) speaks() int { return c.version }

// newFramesOf reuses the buffer of a channel that keeps one connection, where reading ahead would lose what follows.
func newFramesOf(r io.Reader) *frames {
	if keeper, ok := r.(interface{ shared() *frames }); ok {
		return keeper.shared()
	}
	return newFrames(r)
}

// serverError is a sentence from the server.
type serverError struct{ text string }

func (e *serverError) Error() string { return fmt.Sprintf("the server says: %s", e.text) }

// oneLine cuts a foreign text to what is fit for a message.
func oneLine(text []byte) string {
	text = bytes.TrimSpace(text)
	if i := bytes.IndexAny(text, "\r\n"); i >= 0 {
		text = text[:i]
	}
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, string(text[:min(len(text), 200)]))
	return strings.ToValidUTF8(clean, "?")
}

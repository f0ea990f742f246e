package witness

import (
	"os/user"
	"strconv"
	"strings"
	"sync"
	"time"
)

// people knows users by name. The host's user database may be far away, so it is asked only about those that somebody asks for, and
// never while events wait. The zero value is ready. Safe for concurrent use.
type people struct {
	mu    sync.Mutex
	names map[uint32]string
	since time.Time // when the first of the names was looked up
}

// maxNames bounds how many names are kept; they are looked up again when they are older than maxAge.
const maxNames = 1024

// say gives a culprit in words: "vim (alice)", "sed from deploy.sh (root, logged in as bob)".
func (p *people) say(c culprit) string {
	if c.note != "" {
		return c.note
	}
	text := readable(c.command)
	if c.origin != "" {
		text += " from " + readable(c.origin)
	}
	text += " (" + p.name(c.user)
	switch {
	case c.login != nobody && c.login != c.user:
		text += ", logged in as " + p.name(c.login)
	case c.login == nobody && c.started != c.user:
		text += ", started by " + p.name(c.started)
	}
	return text + ")"
}

// name gives a user's name, or the number of one that has none.
func (p *people) name(id uint32) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.names == nil || now.Sub(p.since) > maxAge || len(p.names) >= maxNames {
		p.names, p.since = map[uint32]string{}, now
	}
	name, known := p.names[id]
	if !known {
		name = lookUp(strconv.FormatUint(uint64(id), 10))
		p.names[id] = name
	}
	return name
}

func lookUp(id string) string {
	found, err := user.LookupId(id)
	if err != nil || found.Username == "" {
		return "uid " + id
	}
	return found.Username
}

// plain are the characters of program names that need no quotes.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+@:/-"

// readable quotes a program's name when it has anything in it that could be taken for something else: programs choose their names.
func readable(name string) string {
	if name != "" && strings.Trim(name, plain) == "" {
		return name
	}
	return strconv.Quote(name)
}

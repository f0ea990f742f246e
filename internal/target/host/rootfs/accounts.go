package rootfs

import (
	"errors"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// maxAccounts bounds a file of accounts, in bytes.
const maxAccounts = 16 << 20

// accountsLast is how long an answer holds that no file of the root gave: it may come from a directory service.
const accountsLast = 10 * time.Second

// User gives the number of a user: a number is itself, a name is looked up in the root's own /etc/passwd if the root is not "/" and has
// one, and as the system does otherwise. A name that is not known is a fault of kind NotFound.
func (r *Root) User(name string) (int, error) { return r.accounts.number(r, users, name) }

// Group gives the number of a group; see User.
func (r *Root) Group(name string) (int, error) { return r.accounts.number(r, groups, name) }

// directory is one of the two lists of names.
type directory struct {
	what, file, tool string
	system           func(name string) (string, error) // gives the number
	name             func(number string) string        // gives the name, or the number
}

var (
	users = directory{
		what: "user", file: "/etc/passwd", tool: "useradd",
		system: func(name string) (string, error) {
			found, err := user.Lookup(name)
			if err != nil {
				return "", err
			}
			return found.Uid, nil
		},
		name: func(number string) string {
			if found, err := user.LookupId(number); err == nil {
				return found.Username
			}
			return number
		},
	}
	groups = directory{
		what: "group", file: "/etc/group", tool: "groupadd",
		system: func(name string) (string, error) {
			found, err := user.LookupGroup(name)
			if err != nil {
				return "", err
			}
			return found.Gid, nil
		},
		name: func(number string) string {
			if found, err := user.LookupGroupId(number); err == nil {
				return found.Name
			}
			return number
		},
	}
)

// accounts remembers answers, because thousands of files name the same few users. They hold while the file they come from is the same.
type accounts struct {
	mu      sync.Mutex
	answers map[question]answer
}

type question struct{ what, name string }

type answer struct {
	number int
	err    error
	file   Info
	until  time.Time
}

func (a *accounts) number(r *Root, list directory, name string) (int, error) {
	if number, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(number), nil
	}
	file := r.accountFile(list)
	a.mu.Lock()
	defer a.mu.Unlock()
	key := question{list.what, name}
	if known, ok := a.answers[key]; ok && known.file == file && time.Now().Before(known.until) {
		return known.number, known.err
	}
	if a.answers == nil || len(a.answers) > 10_000 {
		a.answers = map[question]answer{}
	}
	fresh := answer{file: file, until: time.Now().Add(accountsLast)}
	if !file.Settled(time.Now()) {
		fresh.until = time.Time{} // it may change once more without showing it
	}
	fresh.number, fresh.err = r.lookUp(list, name, file)
	a.answers[key] = fresh
	return fresh.number, fresh.err
}

// accountFile looks at the file of accounts, following a link.
func (r *Root) accountFile(list directory) Info {
	var st unix.Stat_t
	if err := unix.Stat(r.HostPath(list.file), &st); err != nil {
		return Info{}
	}
	return infoOf(&st)
}

func (r *Root) lookUp(list directory, name string, file Info) (int, error) {
	if r.dir != "" && file.Type == File {
		content, err := r.ReadFollowing(list.file, maxAccounts)
		if err != nil {
			return 0, err
		}
		if number, ok := findAccount(string(content), name); ok {
			return number, nil
		}
		return 0, list.unknown(name, " in "+r.HostPath(list.file))
	}
	text, err := list.system(name)
	if errors.As(err, new(user.UnknownUserError)) || errors.As(err, new(user.UnknownGroupError)) {
		return 0, list.unknown(name, "")
	}
	if err != nil {
		return 0, fault.Wrap(fault.Transient, "look up the "+list.what, name, err)
	}
	number, err := strconv.Atoi(text)
	return number, fault.Wrap(fault.Internal, "look up the "+list.what, name, err)
}

func (d directory) unknown(name, where string) error {
	return fault.New(fault.NotFound, "look up the "+d.what, name, "there is no such "+d.what+where).
		WithHint("create it (" + d.tool + " " + name + "), or correct the name; a number needs no account")
}

// findAccount finds the number in a file as passwd(5) and group(5) describe them: name:password:number:…
func findAccount(content, name string) (int, bool) {
	for line := range strings.Lines(content) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 4)
		if len(fields) >= 3 && fields[0] == name {
			if number, err := strconv.ParseUint(fields[2], 10, 31); err == nil {
				return int(number), true
			}
		}
	}
	return 0, false
}

// UserName gives the name of a user's number, for people; the number where it has none.
func (r *Root) UserName(number int) string { return r.accountName(users, number) }

// GroupName gives the name of a group's number; see UserName.
func (r *Root) GroupName(number int) string { return r.accountName(groups, number) }

func (r *Root) accountName(list directory, number int) string {
	text := strconv.Itoa(number)
	if r.dir == "" || r.accountFile(list).Type != File {
		return list.name(text)
	}
	content, err := r.ReadFollowing(list.file, maxAccounts)
	if err != nil {
		return text
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.SplitN(strings.TrimSpace(line), ":", 4); len(fields) >= 3 && fields[2] == text {
			return fields[0]
		}
	}
	return text
}

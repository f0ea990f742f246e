package agent

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/kube"
)

// DefaultListen is the address of the HTTP API.
const DefaultListen = "127.0.0.1:7468"

func (c Config) withDefaults() Config {
	if c.Path == "" {
		c.Path = v1alpha1.DefaultPath
	}
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.Name == "" {
		c.Name = DefaultName(c.Source, c.Path)
	}
	if c.DatabaseURL == "" {
		c.DatabaseURL = filepath.Join(c.Data, "setpoint.db")
	}
	if c.HostRoot == "" {
		c.HostRoot = "/"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

var unnameable = regexp.MustCompile(`[^a-z0-9]+`)

// DefaultName makes an agent's name of what its root follows, so that two agents with different roots never take each other's
// objects for their own: the last part of the path or of the repository's URL, and a short hash of both.
func DefaultName(spec v1alpha1.SourceSpec, root string) string {
	where := sourceName(spec)
	word := path.Base(path.Clean(root))
	if word == "." || word == "/" {
		word = strings.TrimSuffix(path.Base(where), ".git")
	}
	word = strings.Trim(unnameable.ReplaceAllString(strings.ToLower(word), "-"), "-")
	if len(word) > 40 {
		word = word[:40]
	}
	sum := sha256.Sum256([]byte(where + "\n" + path.Clean(root)))
	return strings.TrimPrefix(word+"-"+hex.EncodeToString(sum[:3]), "-")
}

// sourceName is the root's source for people.
func (c Config) sourceName() string { return sourceName(c.Source) }

// checkRoot refuses a root that can never work.
func (a *Agent) checkRoot() error {
	switch {
	case sourceName(a.cfg.Source) == "":
		return fault.New(fault.Invalid, "start", "", "no source is given").
			WithHint("say what to follow: setpoint run --source https://git.example.com/fleet.git --path clusters/prod")
	case a.cfg.Data == "":
		return fault.New(fault.Invalid, "start", "", "no data directory is given").WithHint("set SETPOINT_DATA or --data")
	}
	if _, err := a.upstreams.of(demand{spec: a.cfg.Source}); err != nil {
		return &fault.Error{Op: "follow", Item: "the source given by --source or SETPOINT_SOURCE", Err: err}
	}
	if info, err := os.Stat(a.cfg.HostRoot); err != nil || !info.IsDir() {
		return fault.New(fault.Invalid, "use", "the host root "+a.cfg.HostRoot, "there is no such directory").
			WithHint("make it, or name another with --host-root or SETPOINT_HOST_ROOT")
	}
	if a.cfg.NoCluster {
		return nil
	}
	// A cluster that does not answer now may do so later; a kubeconfig that cannot be used will not.
	return kube.CheckConfig(kube.Config{Kubeconfig: a.cfg.Kubeconfig, Context: a.cfg.Context})
}

// makeData makes the data directory for the agent's eyes only. Apps of an agent that runs as root are users of their own, and have to
// come through to their files: then others may enter it, and still cannot list it; everything in it has a mode of its own.
func makeData(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil || os.Geteuid() != 0 {
		return err
	}
	info, err := os.Stat(dir)
	if err == nil && info.Mode().Perm() == 0o700 {
		err = os.Chmod(dir, 0o711) //nolint:gosec // as said
	}
	return err
}

// lock makes sure that one agent at a time uses the data directory.
func (a *Agent) lock() error {
	name := filepath.Join(a.cfg.Data, "lock")
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return &fault.Error{Op: "lock", Item: "the data directory " + a.cfg.Data, Kind: fault.Denied, Err: err,
			Hint: "choose another with SETPOINT_DATA, or make it writable"}
	}
	for tries := 0; ; tries++ {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			a.lockFile = file
			return nil
		}
		if tries < lockTries { // one that was just killed holds it for a moment
			time.Sleep(lockPause)
			continue
		}
		_ = file.Close()
		return fault.New(fault.Conflict, "lock", "the data directory "+a.cfg.Data, "another agent uses it").
			WithHint("stop that one, or choose another directory with SETPOINT_DATA")
	}
}

// How often, and after which pause, a data directory that is in use is tried again.
const (
	lockTries = 10
	lockPause = 100 * time.Millisecond
)

func (a *Agent) unlock() {
	if a.lockFile != nil {
		_ = a.lockFile.Close() // the kernel releases the lock with it
	}
}

// keyAt gives the key of the agent whose data is in a directory, for those who look at that and may read it; nil when there is none.
func keyAt(data string) []byte {
	key, _ := os.ReadFile(filepath.Join(data, keyName)) // who needs it says that it is missing
	return key
}

// keyName is the agent's key, in its data directory.
const keyName = "secret.key"

// secretKey reads the key by which secret values are hashed, and what is kept is sealed, or makes one: hashes stay comparable across
// restarts and mean nothing to whoever lacks the key.
func secretKey(name string) ([]byte, error) {
	key, err := os.ReadFile(name)
	if err == nil && len(key) >= 32 {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.Denied, "read", name, err)
	}
	key = make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fault.Wrap(fault.Internal, "make", "a key", err)
	}
	if err := os.WriteFile(name+".new", key, 0o600); err != nil {
		return nil, fault.Wrap(fault.Denied, "write", name, err)
	}
	return key, fault.Wrap(fault.Denied, "write", name, os.Rename(name+".new", name))
}

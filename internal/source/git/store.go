package git

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/setpoint-dev/setpoint/internal/source"
)

const (
	maxCommit  = 1 << 20 // bytes of a commit object
	baseCache  = 4 << 20 // bytes of delta bases kept
	treeCache  = 256 << 10
	packFolder = "packs"
)

// store holds the objects of one repository, shared by all references and Syncs that follow it: pack files that are added
// whole and never changed. Of each commit it holds the tree, and nothing of its history. Safe for concurrent use.
type store struct {
	dir    string
	limits source.Limits
	trees  *lru[plumbing.Hash, *tree]
	bases  *lru[baseKey, object]

	mu    sync.RWMutex // guards packs: readers hold it while they read
	packs []*pack      // the newest first

	// pulls is held for reading while a pull is under way, whose objects nothing refers to yet; see tidy.
	pulls sync.RWMutex
	// damaged says that an object was not what its name says: the next pull fetches everything anew.
	damaged atomic.Bool

	recordMu sync.Mutex
	records  map[string]record

	inUse int64 // bytes that were in use when the store was tidied last; guarded by pulls

	liveMu sync.Mutex
	live   []weak.Pointer[artifact]
}

// stores finds the store of a directory: handles of one directory must share its locks, and the process has one disk.
var stores = struct {
	sync.Mutex
	byDir map[string]weak.Pointer[store]
}{byDir: map[string]weak.Pointer[store]{}}

// openStore gives the store in a directory. What cannot be read there is removed: it is a cache, and will be fetched again.
func openStore(dir string, limits source.Limits) (*store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	stores.Lock()
	defer stores.Unlock()
	if s := stores.byDir[dir].Value(); s != nil {
		return s, nil
	}
	s := &store{dir: dir, limits: limits, trees: newLRU[plumbing.Hash, *tree](treeCache), bases: newLRU[baseKey, object](baseCache)}
	if err := os.MkdirAll(filepath.Join(dir, packFolder), 0o700); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.sweep()
	s.records = s.readRecords()
	stores.byDir[dir] = weak.Make(s)
	return s, nil
}

// load opens the packs and removes what a killed process left half-written.
func (s *store) load() error {
	names, err := os.ReadDir(filepath.Join(s.dir, packFolder))
	if err != nil {
		return err
	}
	whole := map[string]bool{}
	for _, e := range names {
		if name, ok := strings.CutSuffix(e.Name(), ".pack"); ok {
			path := filepath.Join(s.dir, packFolder, e.Name())
			p, err := openPack(path, s.bases)
			if err != nil {
				_ = os.Remove(path)
				continue
			}
			whole[name] = true
			s.packs = append(s.packs, p)
		}
	}
	for _, e := range names {
		name, isIndex := strings.CutSuffix(e.Name(), ".idx")
		if isIndex && !whole[name] || strings.HasPrefix(e.Name(), "incoming-") {
			_ = os.Remove(filepath.Join(s.dir, packFolder, e.Name()))
		}
	}
	return nil
}

// bounds for packs from outside. The sum is generous, since a pack may hold some history.
func (s *store) bounds() bounds {
	return bounds{pack: s.limits.Bytes, sum: 4 * s.limits.Bytes, object: max(s.limits.FileSize, maxTreeSize)}
}

// add takes in a pack from outside.
func (s *store) add(r io.Reader) error {
	path, err := receive(r, filepath.Join(s.dir, packFolder), s.bounds())
	if err != nil || path == "" {
		return err
	}
	p, err := openPack(path, s.bases)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, old := range s.packs {
		if old.path == path { // the same objects once more: the new file has taken the old one's name
			s.packs[i] = p
			old.close()
			return nil
		}
	}
	s.packs = append([]*pack{p}, s.packs...)
	return nil
}

// read gives an object's content after checking it against its name; further packs are tried where one is damaged.
func (s *store) read(hash plumbing.Hash, kind plumbing.ObjectType, limit int64) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	err := fmt.Errorf("%w: %s", errMissing, hash)
	for _, p := range s.packs {
		offset, notFound := p.index.FindOffset(hash)
		if notFound != nil {
			continue
		}
		o, readErr := p.at(offset, limit)
		if readErr == nil && (o.kind != kind || nameOf(o.kind, o.content) != hash) {
			readErr = errDamaged
		}
		if readErr == nil {
			return o.content, nil
		}
		s.damaged.Store(true)
		err = readErr
	}
	return nil, err
}

// size gives an object's size in bytes without reading it.
func (s *store) size(hash plumbing.Hash) (int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, p := range s.packs {
		if offset, err := p.index.FindOffset(hash); err == nil {
			return p.sizeAt(offset)
		}
	}
	return 0, fmt.Errorf("%w: %s", errMissing, hash)
}

func (s *store) has(hash plumbing.Hash) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, p := range s.packs {
		if ok, err := p.index.Contains(hash); ok && err == nil {
			return true
		}
	}
	return false
}

// complete says whether a commit and everything in its tree are here.
func (s *store) complete(commit plumbing.Hash) bool {
	content, err := s.read(commit, plumbing.CommitObject, maxCommit)
	if err != nil {
		return false
	}
	c, err := decodeCommit(content)
	if err != nil {
		return false
	}
	_, err = s.tree(c.TreeHash)
	return !errors.Is(err, errMissing) && !errors.Is(err, errDamaged)
}

package git

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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

	number atomic.Int64 // of the newest pack: later ones may build on earlier ones

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
			s.insert(p) // names are numbers: the later the newer
			if n, err := strconv.ParseInt(name, 10, 64); err == nil {
				s.number.Store(max(n, s.number.Load()))
			}
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

// add takes in a pack from outside. A thin one has deltas on objects of the packs that are here already; it never depends on a
// later one, so that no circle can come about.
func (s *store) add(r io.Reader) error {
	path := filepath.Join(s.dir, packFolder, fmt.Sprintf("%012d.pack", s.number.Add(1)))
	written, err := receive(r, path, s.bounds(), func(name plumbing.Hash, limit int64) (object, error) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return find(s.packs, name, limit)
	})
	if err != nil || !written {
		return err
	}
	p, err := openPack(path, s.bases)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.insert(p)
	return nil
}

// insert puts a pack before all others. The caller holds mu.
func (s *store) insert(p *pack) {
	p.older = func(name plumbing.Hash, limit int64) (object, error) { // only called while mu is held
		return find(s.packs[slices.Index(s.packs, p)+1:], name, limit)
	}
	s.packs = append([]*pack{p}, s.packs...)
}

// find gives an object out of the first pack that has it whole and undamaged.
func find(packs []*pack, name plumbing.Hash, limit int64) (object, error) {
	err := fmt.Errorf("%w: %s", errMissing, name)
	for _, p := range packs {
		offset, notFound := p.index.FindOffset(name)
		if notFound != nil {
			continue
		}
		o, readErr := p.at(offset, limit)
		if readErr == nil && nameOf(o.kind, o.content) == name {
			return o, nil
		}
		err = firstOf(readErr, errDamaged)
	}
	return object{}, err
}

// read gives an object's content after checking it against its name.
func (s *store) read(hash plumbing.Hash, kind plumbing.ObjectType, limit int64) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, err := find(s.packs, hash, limit)
	if err == nil && o.kind != kind {
		err = errDamaged
	}
	if err != nil && s.holds(hash) {
		s.damaged.Store(true)
	}
	return o.content, err
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
	return s.holds(hash)
}

// holds is has for a caller that holds mu.
func (s *store) holds(hash plumbing.Hash) bool {
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

// Package packed keeps artifacts that come as archives or as single files: each is one file on disk, addressed by the revision's ID, that
// is read without being unpacked. It also packs a directory reproducibly.
//
// In the order of the story: a Writer (writer.go) takes files within a budget (budget.go) into a tree (tree.go), and Commit writes its
// index (index.go) and remembers whose it is (record.go). An Artifact (artifact.go, file.go) reads it. Unpack (unpack.go, unzip.go) feeds a
// Writer, Pack (pack.go) is the way back.
//
// Memory: a Writer and an Artifact take about 400 bytes for each file and directory, beside the names, of which there are at most 32 MiB;
// unpacking takes at most 8 MiB more, however large the archive is.
package packed

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
)

// Store is a folder of artifacts. Safe for concurrent use, by several upstreams too. One process uses a folder at a time.
type Store struct {
	dir    string
	opened time.Time

	mu      sync.Mutex // of the folder's content and what follows
	records map[string]*record
	open    map[string]weak.Pointer[pack] // by file name; what nobody reads is closed by the garbage collector
}

const (
	packSuffix   = ".pack"
	recordSuffix = ".json"
	tempSuffix   = ".tmp"
)

// Open makes the folder where it is missing, and removes what a crash has left half-written. Errors are of kind Internal.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, diskFault("open", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"+tempSuffix))
	if err != nil {
		return nil, diskFault("open", err)
	}
	for _, name := range left {
		_ = os.Remove(name) // what cannot be removed now is tried again the next time
	}
	s := &Store{dir: dir, opened: time.Now(), open: map[string]weak.Pointer[pack]{}}
	if s.records, err = readRecords(dir); err != nil {
		return nil, diskFault("open", err)
	}
	s.sweep()
	return s, nil
}

// Load gives an artifact that was kept, by its revision's ID; nil when there is none, or it is damaged. It is read from disk on demand.
func (s *Store) Load(id string) source.Artifact {
	s.mu.Lock()
	defer s.mu.Unlock()
	var newest *kept
	for _, r := range s.records {
		for i, k := range r.Kept {
			if k.Revision.ID == id && (newest == nil || k.Committed.After(newest.Committed)) {
				newest = &r.Kept[i]
			}
		}
	}
	return s.artifact(newest)
}

// Last gives the artifact that an upstream (by its Key) committed last; nil when there is none, or it is damaged.
func (s *Store) Last(upstream string) source.Artifact {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.records[keyOf(upstream)]
	if r == nil || len(r.Kept) == 0 {
		return nil
	}
	r.used = true
	return s.artifact(&r.Kept[0])
}

// artifact opens what is kept, once however many read it.
func (s *Store) artifact(k *kept) source.Artifact {
	if k == nil {
		return nil
	}
	p := s.open[k.File].Value()
	if p == nil {
		var err error
		if p, err = openPack(filepath.Join(s.dir, k.File)); err != nil {
			return nil
		}
		s.open[k.File] = weak.Make(p)
	}
	if p.damaged.Load() {
		return nil
	}
	return &Artifact{pack: p, revision: k.Revision}
}

// Create begins an artifact of an upstream (by its Key). Zero limits are source.DefaultLimits. Errors are of kind Internal.
func (s *Store) Create(upstream string, limits source.Limits) (*Writer, error) {
	file, err := s.Temp()
	if err != nil {
		return nil, err
	}
	return newWriter(s, keyOf(upstream), file, limits), nil
}

// Temp makes a file for what is only needed for a moment. The caller closes and removes it; what a crash leaves goes with the next Open.
func (s *Store) Temp() (*os.File, error) {
	file, err := os.CreateTemp(s.dir, "*"+tempSuffix)
	if err != nil {
		return nil, diskFault("create a file in", err)
	}
	return file, nil
}

// Damaged says whether a part of an artifact was found to be another than was committed. It should be pulled anew, as if it were not known.
func Damaged(a source.Artifact) bool {
	mine, ok := a.(*Artifact)
	return ok && mine.damaged.Load()
}

// fileOf names the file of an artifact. The tree's digest is part of it: the same archive may be read in two ways.
func fileOf(id, tree string) string {
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, id)
	if strings.Replace(id, ":", "-", 1) != safe || len(safe) > 100 {
		safe = keyOf(id)
	}
	return safe + "." + tree[:16] + packSuffix
}

// diskFault leaves out of an error the name of the file, which may be another each time.
func diskFault(op string, err error) error {
	if in, ok := err.(*os.PathError); ok { //nolint:errorlint // the outermost alone
		err = in.Err
	} else if in, ok := err.(*os.LinkError); ok { //nolint:errorlint // as above
		err = in.Err
	}
	return (&fault.Error{Op: op, Item: "the store of artifacts", Kind: fault.Internal, Err: err}).
		WithHint("check the free space of the agent's data directory, and that the agent may write there")
}

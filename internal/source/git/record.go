package git

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// maxRecords bounds how many references of one repository are remembered; the one that changed longest ago goes first.
const maxRecords = 256

// record is what is remembered of an upstream: its last good revision, so that an agent goes on from there while the server is
// away. It is written when the revision changes, never for a look-up that changed nothing.
type record struct {
	Revision   state.Revision    `json:"revision"`
	Submodules map[string]string `json:"submodules,omitempty"` // path → URL without credentials
	Tag        []byte            `json:"tag,omitempty"`        // the annotated tag that was verified, to verify it again
	Changed    time.Time         `json:"changed"`
}

func (s *store) recordFile() string { return filepath.Join(s.dir, "last.json") }

// readRecords gives what was written last; a file that cannot be read is as good as none.
func (s *store) readRecords() map[string]record {
	records := map[string]record{}
	content, err := os.ReadFile(s.recordFile())
	if err != nil || json.Unmarshal(content, &records) != nil {
		return map[string]record{}
	}
	return records
}

func (s *store) recall(key string) (record, bool) {
	s.recordMu.Lock()
	defer s.recordMu.Unlock()
	r, ok := s.records[key]
	return r, ok
}

func (s *store) remember(key string, r record) error {
	s.recordMu.Lock()
	defer s.recordMu.Unlock()
	if old, ok := s.records[key]; ok && old.Revision.ID == r.Revision.ID && old.Revision.Ref == r.Revision.Ref &&
		old.Revision.Signer == r.Revision.Signer && bytes.Equal(old.Tag, r.Tag) {
		return nil
	}
	s.records[key] = r
	for len(s.records) > maxRecords {
		oldest := key
		for k, other := range s.records {
			if other.Changed.Before(s.records[oldest].Changed) {
				oldest = k
			}
		}
		delete(s.records, oldest)
	}
	content, err := json.MarshalIndent(s.records, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(s.recordFile(), content)
}

// kept gives the commits that must stay: the remembered ones, and those of artifacts somebody still holds.
func (s *store) kept() []plumbing.Hash {
	seen := map[plumbing.Hash]bool{}
	s.recordMu.Lock()
	for _, r := range s.records {
		seen[plumbing.NewHash(r.Revision.ID)] = true
	}
	s.recordMu.Unlock()

	s.liveMu.Lock()
	alive := s.live[:0]
	for _, w := range s.live {
		if a := w.Value(); a != nil {
			alive = append(alive, w)
			for _, c := range a.commitsIn(s) {
				seen[c] = true
			}
		}
	}
	s.live = alive
	s.liveMu.Unlock()

	commits := make([]plumbing.Hash, 0, len(seen))
	for h := range seen {
		commits = append(commits, h)
	}
	return commits
}

package packed

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/state"
)

const (
	keptPerUpstream = 2
	maxRecord       = 1 << 20             // bytes
	forgetAfter     = 30 * 24 * time.Hour // without a commit or a use
	forgetUptime    = 24 * time.Hour      // within which every upstream that there still is has been used
)

// record is what one upstream has committed, newest first.
type record struct {
	Kept []kept `json:"kept"`

	used bool // since the store was opened
}

// kept is one artifact on disk. Its revision is the upstream's own: two may find the same content by different names.
type kept struct {
	File      string         `json:"file"`
	Revision  state.Revision `json:"revision"`
	Committed time.Time      `json:"committed"`
}

func keyOf(upstream string) string {
	sum := sha256.Sum256([]byte(upstream))
	return hex.EncodeToString(sum[:16])
}

// readRecords reads all records of a folder. One that cannot be read is as good as none.
func readRecords(dir string) (map[string]*record, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"+recordSuffix))
	if err != nil {
		return nil, err
	}
	records := map[string]*record{}
	for _, file := range files {
		r := &record{}
		info, err := os.Stat(file)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxRecord {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(content, r) != nil || slices.ContainsFunc(r.Kept, badName) {
			continue
		}
		records[strings.TrimSuffix(filepath.Base(file), recordSuffix)] = r
	}
	return records, nil
}

func badName(k kept) bool {
	return filepath.Base(k.File) != k.File || !strings.HasSuffix(k.File, packSuffix)
}

// remember makes an artifact the last of its upstream, durably, and removes what nobody's record names any more.
func (s *Store) remember(upstream string, now kept) error {
	old := s.records[upstream]
	next := &record{Kept: []kept{now}, used: true}
	if old != nil {
		before := slices.DeleteFunc(slices.Clone(old.Kept), func(k kept) bool { return k.File == now.File })
		next.Kept = append(next.Kept, before[:min(len(before), keptPerUpstream-1)]...)
	}
	content, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	if err := s.replace(upstream+recordSuffix, content); err != nil {
		return err
	}
	s.records[upstream] = next
	s.forget(now.Committed)
	s.sweep()
	return nil
}

// replace writes a small file so that a crash leaves either the old or the new.
func (s *Store) replace(name string, content []byte) error {
	file, err := s.Temp()
	if err != nil {
		return err
	}
	if _, err = file.Write(content); err == nil {
		err = publish(file, filepath.Join(s.dir, name))
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

// publish makes a temporary file durable under its name.
func publish(file *os.File, name string) error {
	if err := file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), name); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	return dir.Sync()
}

// forget drops the records of upstreams that are not there any more.
func (s *Store) forget(now time.Time) {
	if now.Sub(s.opened) < forgetUptime {
		return
	}
	for key, r := range s.records {
		if !r.used && (len(r.Kept) == 0 || now.Sub(r.Kept[0].Committed) > forgetAfter) {
			delete(s.records, key)
			_ = os.Remove(filepath.Join(s.dir, key+recordSuffix)) // if it comes back, so does what it names, or nothing
		}
	}
}

// sweep removes the artifacts that no record names. Those that are being read go on being readable: their file is open.
func (s *Store) sweep() {
	named := map[string]bool{}
	for _, r := range s.records {
		for _, k := range r.Kept {
			named[k.File] = true
		}
	}
	there, _ := filepath.Glob(filepath.Join(s.dir, "*"+packSuffix)) // the pattern is good
	for _, file := range there {
		if name := filepath.Base(file); !named[name] {
			_ = os.Remove(file) // what cannot be removed now is tried again after the next commit
			delete(s.open, name)
		}
	}
}

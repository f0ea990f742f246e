package supervise

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// maxRecord bounds the file of one record, in bytes.
const maxRecord = 1 << 20

// A record is what a successor has to know of a process. It is written before the process is started, and with every change after. The
// environment is left out, because secrets are in it: it is read back from the process.
type record struct {
	Process Process   `json:"process"`
	Status  Status    `json:"status"`
	Start   uint64    `json:"start,omitempty"` // see task.start; 0 before it has started
	Boot    string    `json:"boot"`
	StopBy  time.Time `json:"stopBy,omitzero"` // when draining ends, of a process that was told to stop
	// Listened: it has listened on its port once, so that it is missed when it does not.
	Listened bool `json:"listened,omitempty"`
}

func recordPath(h *home, id ProcessID) string { return h.path(processesName, id.fileName()+".json") }

func writeRecord(h *home, r record) error {
	r.Process.Launch.Env = nil
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeAtomic(recordPath(h, r.Process.ID), content)
}

// readRecords gives the records of processes. One that cannot be read is left out, and so the process, if there is one, is ended as one
// that nobody knows.
func readRecords(h *home, log *slog.Logger) []record {
	var records []record
	for _, path := range recordFiles(h, processesName) {
		var r record
		if err := readJSON(path, &r); err != nil || r.Process.ID.check() != nil || recordPath(h, r.Process.ID) != path {
			log.Warn("a record of a process cannot be read", "file", filepath.Base(path))
			_ = os.Remove(path)
			continue
		}
		records = append(records, r)
	}
	return records
}

func removeRecord(h *home, id ProcessID) {
	_ = os.Remove(recordPath(h, id))
	removeFIFOs(h, id)
}

func appPath(h *home, name string) string { return h.path(appsName, name+".json") }

func writeApp(h *home, a App) error {
	a.OneOff.Env = nil
	content, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return writeAtomic(appPath(h, a.Name), content)
}

func readApps(h *home, log *slog.Logger) []App {
	var apps []App
	for _, path := range recordFiles(h, appsName) {
		var a App
		if err := readJSON(path, &a); err != nil || appPath(h, a.Name) != path {
			log.Warn("a record of an app cannot be read", "file", filepath.Base(path))
			_ = os.Remove(path)
			continue
		}
		apps = append(apps, a)
	}
	return apps
}

func recordFiles(h *home, kind string) []string {
	entries, _ := os.ReadDir(h.path(kind))
	var paths []string
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) == ".json" {
			paths = append(paths, h.path(kind, entry.Name()))
		}
	}
	return paths
}

func readJSON(path string, into any) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxRecord {
		return os.ErrInvalid
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, into)
}

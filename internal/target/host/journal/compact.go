package journal

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/setpoint-dev/setpoint/internal/seal"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// A log is compacted when it is several times larger than what is still true in it, and large enough for that to matter.
const (
	compactFrom   = 1 << 20 // bytes
	compactFactor = 4
)

// overgrown says whether the log should be written anew, given the bytes of what is still true.
func (d *disk) overgrown(live int64) bool {
	if d.size <= max(d.compactAt, compactFrom) {
		return false
	}
	d.compactAt = compactFactor * live
	return d.size > d.compactAt
}

// compact replaces the log by one without what is out of date. The turn is held. When it cannot be done (a full disk), the old log goes
// on, and the next attempt is made when it has doubled.
func (j *Journal) compact() {
	if err := j.rewrite(); err != nil {
		j.disk.compactAt = 2 * j.disk.size
		j.log.Warn("the journal of the host could not be compacted; it goes on growing", "journal", j.disk.path, "error", err)
	}
}

// rewrite writes the log anew: whole and durable under another name first, so that there is a good one at every instant.
func (j *Journal) rewrite() error {
	j.mu.RLock()
	records := make([]*held, 0, len(j.content.records))
	for _, record := range j.content.records {
		records = append(records, record) // never changed once it is in the map
	}
	j.mu.RUnlock()
	slices.SortFunc(records, func(a, b *held) int { return state.ID.Compare(a.ID, b.ID) })

	temporary := j.disk.path + newSuffix
	file, size, err := writeLog(temporary, records, j.box)
	if err == nil {
		if err = os.Rename(temporary, j.disk.path); err != nil {
			_ = file.Close()
		}
	}
	if err != nil {
		_ = os.Remove(temporary)
		return diskFault("compact", j.disk.path, err)
	}
	if j.disk.file != nil {
		_ = j.disk.file.Close() // it is no longer the log
	}
	j.disk.file, j.disk.size, j.disk.compactAt = file, size, compactFactor*size
	j.disk.uncut, j.disk.unsettled = false, true
	return diskFault("compact", j.disk.path, j.disk.mend())
}

// writeLog makes a durable file of records, and leaves it open.
func writeLog(path string, records []*held, box seal.Box) (file *os.File, size int64, err error) {
	if file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return nil, 0, err
	}
	out := bufio.NewWriterSize(file, 1<<16)
	text := firstLine()
	for i := 0; ; i++ {
		size += int64(len(text))
		if _, err = out.Write(text); err != nil || i == len(records) {
			break
		}
		var put change
		if put, err = putting(records[i].Record, box); err != nil {
			break
		}
		text = lineOf([]change{put})
	}
	if err = errors.Join(err, out.Flush()); err == nil {
		err = file.Sync()
	}
	if err != nil {
		_ = file.Close()
		return nil, 0, err
	}
	return file, size, nil
}

// syncDir makes durable which names are in the directory of a file.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// copyOut writes what a reader gives to a durable file of its own.
func copyOut(path string, from io.Reader) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

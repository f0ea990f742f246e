package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/seal"
)

// reading is what reading a log has found.
type reading struct {
	content content
	good    int64 // bytes up to the end of the last good line
	format  int   // of the log
	// torn: behind that is the beginning of a line that nobody was told is durable.
	torn bool
	// lost are the lines that could not be read and have good ones behind them, when they are passed over.
	lost int
}

// reader reads a log.
type reader struct {
	path string
	box  seal.Box
	// salvage passes over damaged lines. What was known before such a line may have been deleted by it, or given to another owner:
	// nothing of that is deleted from the host until it has been declared again.
	salvage bool

	reading
	number int  // of the line, from 1
	broken bool // the line before cannot be read
}

// readLog reads all lines. A last one that is broken is what a crash leaves of a write; one in the middle is damage that somebody has
// to look at.
func readLog(from io.Reader, r reader) (reading, error) {
	r.content = newContent()
	in := bufio.NewReaderSize(from, 1<<16)
	for r.number = 1; ; r.number++ {
		text, err := in.ReadBytes('\n')
		if len(text) > 0 {
			if err := r.line(text); err != nil {
				return reading{}, err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return reading{}, diskFault("read", r.path, err)
		}
	}
	if r.good == 0 && !r.salvage {
		return reading{}, r.damaged(1) // it was made with its first line
	}
	r.torn = r.broken
	return r.reading, nil
}

func (r *reader) line(text []byte) error {
	if r.broken { // and so it was not the last
		if !r.salvage {
			return r.damaged(r.number - 1)
		}
		r.pass()
	}
	parsed, ok := parse(text)
	if r.broken = !ok; r.broken {
		return nil
	}
	switch {
	case parsed.Format > currentFormat:
		return fault.New(fault.Invalid, "read", r.path, "it was written by a newer Setpoint").
			WithHint("run that version again, or a later one")
	case r.number == 1 && parsed.Format == 0 && !r.salvage:
		return r.damaged(1)
	}
	r.format = max(r.format, parsed.Format)
	for _, c := range parsed.Changes {
		if err := c.unseal(r.box); err != nil {
			if !r.salvage {
				return r.locked(err)
			}
			c.Put.Keep = true
		}
		r.content.make(c)
	}
	r.good += int64(len(text))
	return nil
}

func (r *reader) pass() {
	r.lost++
	for _, record := range r.content.records {
		record.Keep = true
	}
}

func (r *reader) damaged(line int) error {
	cause := fmt.Sprintf("line %d is damaged, so that nobody can say what Setpoint owns on this host", line)
	return fault.New(fault.Invalid, "read", r.path, cause).
		WithHint("put back a copy of the file; or rename it to " + damagedName + " in the same directory: the next start takes from it " +
			"what can be read, and deletes nothing of that from the host until it was declared again")
}

// locked is the fault of a log whose data was sealed with another key.
func (r *reader) locked(err error) error {
	return &fault.Error{Op: "read", Item: r.path, Kind: fault.Denied, Err: err,
		Hint: "the agent's secret.key is not the one that it was written with: put that back, or run this as the agent's user; if the " +
			"key is lost, rename the log to " + damagedName + " in the same directory: the next start takes from it what is owned, and " +
			"deletes nothing of that from the host until it was declared again"}
}

// load reads the log of a directory that this process has locked. A missing one is made, from what a person has set aside as damaged if
// there is such a file.
func (j *Journal) load() error {
	file, err := os.OpenFile(j.disk.path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		if err := j.salvage(); err != nil {
			return err
		}
		return j.rewrite()
	}
	if err != nil {
		return diskFault("open", j.disk.path, err)
	}
	found, err := readLog(file, reader{path: j.disk.path, box: j.box})
	if err != nil {
		_ = file.Close()
		return err
	}
	j.content = found.content
	j.disk.file, j.disk.size = file, found.good
	if found.torn {
		err = j.cutTorn(file)
	}
	if err == nil && found.format < currentFormat {
		err = j.renew()
	}
	if err != nil {
		_ = j.disk.file.Close()
	}
	return err
}

// renew brings the directory of an older format to the current one. The log says so at last, so that a crash before it begins again.
func (j *Journal) renew() error {
	if err := j.sealBlobs(); err != nil {
		return err
	}
	return j.rewrite()
}

// cutTorn cuts off a torn last line, and keeps a copy of it: should it be damage after all, there is something to look at.
func (j *Journal) cutTorn(file *os.File) error {
	aside := j.disk.path + tornSuffix
	rest := io.NewSectionReader(file, j.disk.size, 1<<62)
	if err := copyOut(aside, rest); err != nil {
		j.log.Warn("the torn last line of the journal of the host could not be copied", "journal", j.disk.path, "error", err)
	}
	j.log.Info("the last write to the journal of the host was cut short by a crash; what it announced was not begun",
		"journal", j.disk.path, "copy", aside)
	j.disk.uncut = true
	return j.disk.fault("mend", j.disk.mend())
}

// salvage takes what can be read of a journal that was set aside as damaged. The file stays.
func (j *Journal) salvage() error {
	path := j.path(damagedName)
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return diskFault("open", path, err)
	}
	defer file.Close()
	found, err := readLog(file, reader{path: path, box: j.box, salvage: true})
	if err != nil {
		return err
	}
	j.content = found.content
	j.log.Warn("the journal of the host was made anew from a damaged one; what the lines that are lost may have been about is not deleted "+
		"from the host until it was declared again", "damaged", path, "lines lost", found.lost, "objects known", len(found.content.records))
	return nil
}

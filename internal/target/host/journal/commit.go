package journal

import (
	"context"
	"os"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// batch is what the next write makes durable, for all callers that joined it.
type batch struct {
	changes []change
	done    chan struct{} // closed when it is on the disk, or could not be brought there
	err     error         // set before done is closed
}

// commit returns when the changes are durable. Whoever gets the turn writes for all that have joined by then, so that callers who wait
// for a slow disk together wait for it once.
func (j *Journal) commit(ctx context.Context, changes []change) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Transient, "write", j.dir, err)
	}
	joined, err := j.join(changes)
	if joined == nil {
		return err
	}
	for {
		select {
		case <-joined.done:
			return joined.err
		case j.turn <- struct{}{}:
			j.flush()
			<-j.turn
		}
	}
}

// join adds changes to the next batch; no batch when there is nothing to write.
func (j *Journal) join(changes []change) (*batch, error) {
	if j.readOnly {
		return nil, fault.New(fault.Denied, "write", j.dir, "it was opened to be read only")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, fault.New(fault.Transient, "write", j.dir, "the journal is closed")
	}
	idle := j.pending == nil && !j.writing // else what is under way may be about the same objects
	if idle && len(j.content.news(changes)) == 0 {
		return nil, nil
	}
	if j.pending == nil {
		j.pending = &batch{done: make(chan struct{})}
	}
	j.pending.changes = append(j.pending.changes, changes...)
	return j.pending, nil
}

// flush writes what has gathered. The turn is held.
func (j *Journal) flush() {
	j.mu.Lock()
	current := j.pending
	j.pending = nil
	if current == nil {
		j.mu.Unlock()
		return
	}
	j.writing = true
	changes := j.content.news(current.changes)
	j.mu.Unlock()

	if len(changes) > 0 {
		current.err = j.disk.append(lineOf(changes))
	}

	var named, dropped []string
	j.mu.Lock()
	j.writing = false
	if current.err == nil {
		for _, c := range changes {
			n, d := j.content.make(c)
			named, dropped = append(named, n...), append(dropped, d...)
		}
	}
	live := j.content.bytes
	j.mu.Unlock()
	close(current.done)
	j.release(named, dropped)
	if j.disk.overgrown(live) {
		j.compact()
	}
}

// news gives the changes that make a difference, in their order.
func (c *content) news(changes []change) []change {
	var found []change
	ahead := map[state.ID]*Record{} // what the changes before have made of an object
	for _, next := range changes {
		id := next.id()
		before, changed := ahead[id]
		if !changed {
			if known := c.records[id]; known != nil {
				before = &known.Record
			}
		}
		same := before == nil && next.Put == nil || before != nil && next.Put != nil && before.equal(*next.Put)
		if !same {
			ahead[id] = next.Put
			found = append(found, next)
		}
	}
	return found
}

// disk is the log's file. It is guarded by Journal.turn.
type disk struct {
	path string
	file logFile
	size int64 // of what is durable
	// uncut: a write failed half-way, and what it left behind size is still there. unsettled: the file has replaced another, and that is
	// not yet durable. Nothing may be acknowledged before both are over.
	uncut, unsettled bool
	// compactAt is the size from which it is asked whether to compact.
	compactAt int64
}

// logFile is what is used of an *os.File; tests bring disks that are full.
type logFile interface {
	WriteAt(data []byte, offset int64) (int, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

var _ logFile = (*os.File)(nil)

// append makes a line durable, or leaves the log as it was.
func (d *disk) append(text []byte) error {
	if err := d.mend(); err != nil {
		return d.fault("write", err)
	}
	_, err := d.file.WriteAt(text, d.size)
	if err == nil {
		err = d.file.Sync()
	}
	if err != nil {
		d.uncut = true
		_ = d.mend() // or else before the next write
		return d.fault("write", err)
	}
	d.size += int64(len(text))
	return nil
}

// mend ends what an earlier failure left.
func (d *disk) mend() error {
	if d.uncut {
		if err := d.file.Truncate(d.size); err != nil {
			return err
		}
		if err := d.file.Sync(); err != nil {
			return err
		}
		d.uncut = false
	}
	if d.unsettled {
		if err := syncDir(d.path); err != nil {
			return err
		}
		d.unsettled = false
	}
	return nil
}

func (d *disk) close() error { return d.fault("close", d.file.Close()) }

func (d *disk) fault(op string, err error) error { return diskFault(op, d.path, err) }

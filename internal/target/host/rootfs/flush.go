package rootfs

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// many is the number of files from which on it is cheaper to flush their whole file system once than each of them. A single file never
// waits for what others have written.
const many = 8

// flushes brings files and directories to the disk, together for all who wait at the same time: a disk flushes a few hundred times a
// second, and ten thousand files that are written at once need it twice each.
type flushes struct {
	mu      sync.Mutex
	waiting map[uint64]*flush // by device: what the next flush is for
	running map[uint64]*flush
}

// flush is for the files that have joined it; done is closed after it.
type flush struct {
	files []*os.File
	done  chan struct{}
	errs  []error // of each file
}

// join brings a file to the disk, in a flush that begins after the call.
func (f *flushes) join(device uint64, file *os.File) error {
	f.mu.Lock()
	if f.waiting == nil {
		f.waiting, f.running = map[uint64]*flush{}, map[uint64]*flush{}
	}
	mine, leads := f.waiting[device], false
	if mine == nil {
		mine, leads = &flush{done: make(chan struct{})}, true
		f.waiting[device] = mine
	}
	at := len(mine.files)
	mine.files = append(mine.files, file)
	if leads {
		f.lead(device, mine)
	} else {
		f.mu.Unlock()
		<-mine.done
	}
	return mine.errs[at]
}

// lead carries out a flush when the one before is done; whoever comes until then is part of it. It is called locked, and unlocks.
func (f *flushes) lead(device uint64, mine *flush) {
	for f.running[device] != nil {
		before := f.running[device].done
		f.mu.Unlock()
		<-before
		f.mu.Lock()
	}
	delete(f.waiting, device)
	f.running[device] = mine
	f.mu.Unlock()

	mine.sync()

	f.mu.Lock()
	delete(f.running, device)
	f.mu.Unlock()
	close(mine.done)
}

func (f *flush) sync() {
	f.errs = make([]error, len(f.files))
	if len(f.files) >= many {
		err := try(func() error { return unix.Syncfs(int(f.files[0].Fd())) })
		for i := range f.errs {
			f.errs[i] = err
		}
		return
	}
	for i, file := range f.files {
		f.errs[i] = file.Sync()
	}
}

// flush makes what was changed in the directory of a place survive a power cut. A directory that the agent may write but not read
// cannot be flushed, and neither can those of some file systems; what is in them is whole all the same.
func (p *place) flush() error {
	dir, err := p.beside(".").openFile(unix.O_RDONLY | unix.O_DIRECTORY)
	if errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := p.sync(dir); !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	return nil
}

// sync brings an open file to the disk.
func (p *place) sync(file *os.File) error {
	info, err := p.infoOfOpen(file)
	if err != nil {
		return err
	}
	if err := p.root.flushes.join(info.Device, file); err != nil {
		return p.explain(err)
	}
	return nil
}

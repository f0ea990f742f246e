package git

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // Git's object names
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// maxChain bounds how many deltas lie on top of each other; Git itself never makes more.
const maxChain = 4095

var (
	errMissing = errors.New("object is not in the store")
	errDamaged = errors.New("object in the store is damaged")
)

// pack is one immutable pack file with its index. It reads with ReadAt only, so any number of readers need no lock.
type pack struct {
	path  string // of the .pack file
	file  *os.File
	index *idxfile.MemoryIndex
	bases *lru[baseKey, object]
	older lookup // finds the bases that a thin pack leaves out
}

// lookup finds an object of at most limit bytes by its name.
type lookup func(name plumbing.Hash, limit int64) (object, error)

// nowhere finds nothing.
func nowhere(name plumbing.Hash, _ int64) (object, error) {
	return object{}, fmt.Errorf("%w: base %s", errMissing, name)
}

type baseKey struct {
	pack   *os.File
	offset int64
}

// object is a decoded Git object. Its content is shared and never changed.
type object struct {
	kind    plumbing.ObjectType
	content []byte
}

// entry is the head of an object in a pack.
type entry struct {
	kind   plumbing.ObjectType // as stored: may be a delta
	size   int64               // of the inflated data: the content or the delta
	base   int64               // offset of an offset-delta's base
	ref    plumbing.Hash       // name of a name-delta's base
	offset int64
}

// openPack opens a pack whose .idx lies beside it.
func openPack(path string, bases *lru[baseKey, object]) (*pack, error) {
	idx, err := os.Open(strings.TrimSuffix(path, ".pack") + ".idx")
	if err != nil {
		return nil, err
	}
	defer idx.Close()
	index := idxfile.NewMemoryIndex()
	if err := idxfile.NewDecoder(idx).Decode(index); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &pack{path: path, file: file, index: index, bases: bases, older: nowhere}, nil
}

func (p *pack) close() { _ = p.file.Close() }

// open reads the head of the object at an offset; the reader goes on with its deflated data, and is given back to readers.
func (p *pack) open(offset int64) (entry, *bufio.Reader, error) {
	r, ok := readers.Get().(*bufio.Reader)
	section := io.NewSectionReader(p.file, offset, 1<<62)
	if ok {
		r.Reset(section)
	} else {
		r = bufio.NewReaderSize(section, 8<<10)
	}
	e, err := readEntry(r, offset)
	if err != nil {
		readers.Put(r)
		return entry{}, nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return e, r, nil
}

var readers sync.Pool // of *bufio.Reader

// readEntry decodes an object's head (gitformat-pack): three bits of type, the size, and where the base is.
func readEntry(r io.Reader, offset int64) (entry, error) {
	b, ok := r.(io.ByteReader)
	if !ok {
		return entry{}, errors.New("the reader gives no single bytes")
	}
	c, err := b.ReadByte()
	if err != nil {
		return entry{}, err
	}
	e := entry{kind: plumbing.ObjectType(c >> 4 & 7), size: int64(c & 15), offset: offset}
	for shift := 4; c&0x80 != 0; shift += 7 {
		if c, err = b.ReadByte(); err != nil {
			return e, err
		}
		if shift > 49 {
			return e, errDamaged
		}
		e.size |= int64(c&0x7f) << shift
	}
	switch e.kind {
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
	case plumbing.REFDeltaObject:
		_, err = io.ReadFull(r, e.ref[:])
	case plumbing.OFSDeltaObject:
		var back int64
		if back, err = readBack(b); err == nil && (back <= 0 || back > offset) {
			err = errDamaged
		}
		e.base = offset - back
	default:
		err = errDamaged
	}
	return e, err
}

// readBack reads the distance to an offset-delta's base.
func readBack(r io.ByteReader) (int64, error) {
	c, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	back := int64(c & 0x7f)
	for c&0x80 != 0 {
		if c, err = r.ReadByte(); err != nil {
			return 0, err
		}
		if back > 1<<48 {
			return 0, errDamaged
		}
		back = (back+1)<<7 | int64(c&0x7f)
	}
	return back, nil
}

var inflaters sync.Pool // of io.ReadCloser that are zlib.Resetter

// inflate streams deflated data to w; the reader must give single bytes, so that no more is taken than belongs to it.
func inflate(w io.Writer, r io.Reader, size int64) error {
	z, ok := inflaters.Get().(io.ReadCloser)
	var err error
	if ok {
		err = z.(zlib.Resetter).Reset(r, nil) //nolint:forcetypeassert // every zlib reader is one
	} else {
		z, err = zlib.NewReader(r)
	}
	if err != nil {
		return err
	}
	defer inflaters.Put(z)
	n, err := io.Copy(w, io.LimitReader(z, size+1))
	if err == nil && n != size {
		err = errDamaged
	}
	return err
}

// stored gives an entry's head and inflates what is stored of it: the content, or the delta.
func (p *pack) stored(offset, limit int64) (entry, []byte, error) {
	e, r, err := p.open(offset)
	if err != nil {
		return e, nil, err
	}
	defer readers.Put(r)
	if e.size > limit {
		return e, nil, fmt.Errorf("%w: object of %d bytes", errDamaged, e.size)
	}
	buf := bytes.NewBuffer(make([]byte, 0, min(e.size, 1<<20)+bytes.MinRead))
	if err := inflate(buf, r, e.size); err != nil {
		return e, nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return e, buf.Bytes(), nil
}

// step is a delta on the way to an object, and where it is.
type step struct {
	offset int64
	delta  []byte
}

// at decodes the object at an offset, of at most limit bytes.
func (p *pack) at(offset, limit int64) (object, error) {
	var steps []step
	for {
		if base, ok := p.bases.get(baseKey{p.file, offset}); ok {
			return p.patch(base, steps, limit)
		}
		e, data, err := p.stored(offset, limit)
		if err != nil {
			return object{}, err
		}
		if len(steps) > maxChain {
			return object{}, errDamaged
		}
		switch e.kind {
		case plumbing.OFSDeltaObject:
			steps, offset = append(steps, step{offset, data}), e.base
		case plumbing.REFDeltaObject:
			steps = append(steps, step{offset, data})
			if offset, err = p.index.FindOffset(e.ref); err != nil {
				base, err := p.older(e.ref, limit)
				if err != nil {
					return object{}, err
				}
				return p.patch(base, steps, limit)
			}
		default:
			base := object{e.kind, data}
			if len(steps) > 0 {
				p.keep(offset, base)
			}
			return p.patch(base, steps, limit)
		}
	}
}

// patch applies deltas, the innermost last, and keeps what is a base itself.
func (p *pack) patch(o object, steps []step, limit int64) (object, error) {
	for i, step := range slices.Backward(steps) {
		patched, err := patch(o, step.delta, limit)
		if err != nil {
			return object{}, err
		}
		o = patched
		if i > 0 {
			p.keep(step.offset, o)
		}
	}
	return o, nil
}

func (p *pack) keep(offset int64, o object) {
	p.bases.put(baseKey{p.file, offset}, o, int64(len(o.content))+128)
}

func patch(base object, delta []byte, limit int64) (object, error) {
	if size, err := deltaTarget(delta); err != nil || size > limit {
		return object{}, fmt.Errorf("%w: delta to %d bytes", errDamaged, size)
	} else if size == 0 {
		return object{base.kind, nil}, nil
	}
	content, err := packfile.PatchDelta(base.content, delta)
	if err != nil {
		return object{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return object{base.kind, content}, nil
}

// deltaTarget reads how large the result of a delta is out of the delta's head.
func deltaTarget(delta []byte) (int64, error) {
	_, n := binary.Uvarint(delta)
	if n <= 0 {
		return 0, errDamaged
	}
	size, m := binary.Uvarint(delta[n:])
	if m <= 0 || size > 1<<48 {
		return 0, errDamaged
	}
	return int64(size), nil
}

// sizeAt gives an object's size without decoding it.
func (p *pack) sizeAt(offset int64) (int64, error) {
	e, r, err := p.open(offset)
	if err != nil {
		return 0, err
	}
	defer readers.Put(r)
	if e.kind != plumbing.OFSDeltaObject && e.kind != plumbing.REFDeltaObject {
		return e.size, nil
	}
	var head headWriter
	if err := inflate(&head, r, e.size); err != nil && !errors.Is(err, errHeadFull) {
		return 0, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return deltaTarget(head.buf)
}

// nameOf computes the name that Git gives an object.
func nameOf(kind plumbing.ObjectType, content []byte) (name plumbing.Hash) {
	h := sha1.New() //nolint:gosec // Git's object names
	h.Write([]byte(kind.String() + " " + strconv.Itoa(len(content)) + "\x00"))
	h.Write(content)
	h.Sum(name[:0])
	return name
}

package git

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // Git's object names
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
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
	data   int64 // where the deflated data begins
}

// openPack opens a pack whose .idx lies beside it.
func openPack(path string, bases *lru[baseKey, object]) (*pack, error) {
	idx, err := os.Open(strings.TrimSuffix(path, ".pack") + ".idx")
	if err != nil {
		return nil, err
	}
	defer idx.Close() //nolint:errcheck // only read
	index := idxfile.NewMemoryIndex()
	if err := idxfile.NewDecoder(idx).Decode(index); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &pack{path: path, file: file, index: index, bases: bases}, nil
}

func (p *pack) close() { _ = p.file.Close() }

// entryAt reads the head of the object at an offset.
func (p *pack) entryAt(offset int64) (entry, error) {
	var buf [32]byte
	n, err := p.file.ReadAt(buf[:], offset)
	if n == 0 {
		return entry{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	r := bytes.NewReader(buf[:n])
	e, err := readEntry(r, offset)
	e.data = offset + int64(n-r.Len())
	return e, err
}

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

// dataOf inflates what is stored of an entry: the content, or the delta.
func (p *pack) dataOf(e entry) ([]byte, error) {
	section := io.NewSectionReader(p.file, e.data, 1<<62)
	buf := bytes.NewBuffer(make([]byte, 0, min(e.size, 1<<20)+bytes.MinRead))
	if err := inflate(buf, newByteReader(section, e.size), e.size); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return buf.Bytes(), nil
}

// at decodes the object at an offset, of at most limit bytes.
func (p *pack) at(offset, limit int64) (object, error) {
	var deltas [][]byte
	for {
		if base, ok := p.bases.get(baseKey{p.file, offset}); ok {
			return p.patch(base, deltas, limit)
		}
		e, err := p.entryAt(offset)
		if err != nil {
			return object{}, err
		}
		if e.size > limit || len(deltas) > maxChain {
			return object{}, fmt.Errorf("%w: object of %d bytes", errDamaged, e.size)
		}
		data, err := p.dataOf(e)
		if err != nil {
			return object{}, err
		}
		switch e.kind {
		case plumbing.OFSDeltaObject:
			deltas, offset = append(deltas, data), e.base
		case plumbing.REFDeltaObject:
			deltas = append(deltas, data)
			if offset, err = p.index.FindOffset(e.ref); err != nil {
				return object{}, fmt.Errorf("%w: base %s", errMissing, e.ref)
			}
		default:
			base := object{e.kind, data}
			if len(deltas) > 0 {
				p.bases.put(baseKey{p.file, offset}, base, int64(len(data))+64)
			}
			return p.patch(base, deltas, limit)
		}
	}
}

// patch applies deltas, the innermost last.
func (p *pack) patch(o object, deltas [][]byte, limit int64) (object, error) {
	for i := len(deltas) - 1; i >= 0; i-- {
		patched, err := patch(o, deltas[i], limit)
		if err != nil {
			return object{}, err
		}
		o = patched
	}
	return o, nil
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
	e, err := p.entryAt(offset)
	if err != nil || e.kind != plumbing.OFSDeltaObject && e.kind != plumbing.REFDeltaObject {
		return e.size, err
	}
	var head headWriter
	section := io.NewSectionReader(p.file, e.data, 1<<62)
	if err := inflate(&head, newByteReader(section, 64), e.size); err != nil && !errors.Is(err, errHeadFull) {
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

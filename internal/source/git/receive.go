package git

import (
	"bufio"
	"bytes"
	"crypto/sha1" //nolint:gosec // Git's object names
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
)

// maxObjects bounds how many objects one pack may hold.
const maxObjects = 4 << 20

// errTooLarge says that a pack goes beyond its bounds.
var errTooLarge = errors.New("the repository is larger than the limit")

// bounds of a pack that comes from outside.
type bounds struct {
	pack   int64 // bytes of the pack file
	sum    int64 // bytes of all its objects, inflated
	object int64 // bytes of an object that has to be held in memory
}

// indexer takes in a pack as it arrives: it writes the file, names every object, and builds the index. Objects that are not
// deltas are named while they stream past, so that a file of any size takes no memory.
type indexer struct {
	bounds bounds
	older  lookup // of bases that a thin pack leaves out
	stream *packStream
	file   *os.File
	items  []item
	byBase map[int64][]int         // deltas by their base's offset
	byName map[plumbing.Hash][]int // deltas by their base's name
	held   int64                   // bytes of objects that wait for their deltas
	left   int                     // objects without a name
}

type item struct {
	entry
	name  plumbing.Hash
	crc   uint32
	named bool
}

// receive writes a pack to a path, with its index beside it; written is false when the pack holds no object. What fails leaves
// nothing behind.
func receive(in io.Reader, path string, b bounds, older lookup) (written bool, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "incoming-*")
	if err != nil {
		return false, err
	}
	defer func() {
		_ = file.Close()
		_ = os.Remove(file.Name()) // it has been renamed when all went well
	}()
	out := bufio.NewWriterSize(file, 256<<10)
	x := &indexer{
		bounds: b, older: older, file: file, byBase: map[int64][]int{}, byName: map[plumbing.Hash][]int{},
		stream: &packStream{
			in: bufio.NewReaderSize(in, 64<<10), out: out, left: b.pack,
			sum: sha1.New(), //nolint:gosec // the format's sum
		},
	}
	sum, err := x.scan()
	if err != nil || len(x.items) == 0 {
		return false, err
	}
	if err := out.Flush(); err != nil {
		return false, err
	}
	if err := x.resolve(); err != nil {
		return false, err
	}
	return true, x.save(path, sum)
}

// scan reads the whole pack once.
func (x *indexer) scan() (sum plumbing.Hash, err error) {
	var head [12]byte
	if _, err := io.ReadFull(x.stream, head[:]); err != nil {
		return sum, unexpected(err)
	}
	if string(head[:4]) != "PACK" || binary.BigEndian.Uint32(head[4:]) != 2 {
		return sum, errNotGit
	}
	count := binary.BigEndian.Uint32(head[8:])
	if count > maxObjects {
		return sum, errTooLarge
	}
	var inflated int64
	for range count {
		size, err := x.scanObject()
		if err != nil {
			return sum, unexpected(err)
		}
		if inflated += size; inflated > x.bounds.sum {
			return sum, errTooLarge
		}
	}
	x.stream.sum.Sum(sum[:0])
	var trailer plumbing.Hash
	if _, err := io.ReadFull(x.stream, trailer[:]); err != nil {
		return sum, unexpected(err)
	}
	if trailer != sum {
		return sum, errDamaged
	}
	_, err = io.Copy(io.Discard, io.LimitReader(x.stream.in, 1<<20)) // the end of the response
	return sum, err
}

func (x *indexer) scanObject() (int64, error) {
	x.stream.crc = 0
	e, err := readEntry(x.stream, x.stream.at)
	if err != nil {
		return 0, err
	}
	it := item{entry: e}
	index := len(x.items)
	switch e.kind {
	case plumbing.OFSDeltaObject, plumbing.REFDeltaObject:
		if e.kind == plumbing.OFSDeltaObject {
			x.byBase[e.base] = append(x.byBase[e.base], index)
		} else {
			x.byName[e.ref] = append(x.byName[e.ref], index)
		}
		x.left++
		if e.size > x.bounds.object {
			return 0, errTooLarge
		}
		err = inflate(io.Discard, x.stream, e.size)
	default:
		h := newNamer(e.kind, e.size)
		err = inflate(h, x.stream, e.size)
		h.Sum(it.name[:0])
		it.named = true
	}
	it.crc = x.stream.crc
	x.items = append(x.items, it)
	return e.size, err
}

// newNamer starts the hash that names an object of a kind and size.
func newNamer(kind plumbing.ObjectType, size int64) hash.Hash {
	h := sha1.New() //nolint:gosec // Git's object names
	h.Write([]byte(kind.String() + " " + strconv.FormatInt(size, 10) + "\x00"))
	return h
}

// resolve names the deltas: from each base its children, theirs next, so that every object is inflated once. Bases that are
// not in the pack come last.
func (x *indexer) resolve() error {
	p := &pack{file: x.file}
	for i := range x.items {
		it := &x.items[i]
		if it.kind == plumbing.OFSDeltaObject || it.kind == plumbing.REFDeltaObject || !x.hasDeltas(it) {
			continue
		}
		if it.size > x.bounds.object {
			return errTooLarge
		}
		_, content, err := p.stored(it.offset, x.bounds.object)
		if err != nil {
			return err
		}
		if err := x.resolveItem(p, it, object{it.kind, content}); err != nil {
			return err
		}
	}
	for name, children := range x.byName {
		if x.left == 0 || x.items[children[0]].named {
			continue
		}
		base, err := x.older(name, x.bounds.object)
		if err != nil {
			continue // it may be a delta of this pack that another base from elsewhere names; the count tells
		}
		if err := x.resolveOn(p, children, base); err != nil {
			return err
		}
	}
	if x.left > 0 {
		return fmt.Errorf("%w: %d deltas have no base", errDamaged, x.left)
	}
	return nil
}

func (x *indexer) hasDeltas(it *item) bool {
	return len(x.byBase[it.offset]) > 0 || len(x.byName[it.name]) > 0
}

func (x *indexer) resolveItem(p *pack, it *item, o object) error {
	if err := x.resolveOn(p, x.byBase[it.offset], o); err != nil {
		return err
	}
	return x.resolveOn(p, x.byName[it.name], o)
}

func (x *indexer) resolveOn(p *pack, children []int, base object) error {
	if x.held += int64(len(base.content)); x.held > 8*x.bounds.object {
		return errTooLarge
	}
	defer func() { x.held -= int64(len(base.content)) }()
	for _, child := range children {
		it := &x.items[child]
		if it.named {
			continue
		}
		_, delta, err := p.stored(it.offset, x.bounds.object)
		if err != nil {
			return err
		}
		if size, err := deltaTarget(delta); err == nil && size > x.bounds.object {
			return errTooLarge
		}
		o, err := patch(base, delta, x.bounds.object)
		if err != nil {
			return err
		}
		it.name, it.named = nameOf(o.kind, o.content), true
		x.left--
		if x.hasDeltas(it) {
			if err := x.resolveItem(p, it, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// save makes the pack and its index durable, the index first: a pack that can be seen is a pack that is whole.
func (x *indexer) save(path string, sum plumbing.Hash) error {
	var w idxfile.Writer
	if err := w.OnHeader(uint32(len(x.items))); err != nil { // bounded by maxObjects
		return err
	}
	for _, it := range x.items {
		w.Add(it.name, uint64(it.offset), it.crc)
	}
	if err := w.OnFooter(sum); err != nil {
		return err
	}
	index, err := w.Index()
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	if _, err := idxfile.NewEncoder(&buf).Encode(index); err != nil {
		return err
	}
	if err := writeFile(strings.TrimSuffix(path, ".pack")+".idx", buf.Bytes()); err != nil {
		return err
	}
	if err := x.file.Sync(); err != nil {
		return err
	}
	return os.Rename(x.file.Name(), path)
}

// writeFile replaces a file as a whole, durably.
func writeFile(path string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "incoming-*")
	if err != nil {
		return err
	}
	defer func() {
		_ = tmp.Close()
		_ = os.Remove(tmp.Name())
	}()
	if _, err := tmp.Write(content); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// unexpected turns an end of the stream into one that came too early.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

package packed

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// An artifact's file is: the contents, each compressed by itself (RFC 1951); the index, compressed, which says what is where and what its
// SHA-256 is; and a tail of fixed length, which says where the index is and what its SHA-256 is. So whatever is cut off or changed is
// noticed: in the tail or index when the file is opened, in a content when that is read.

const magic = "setpoint artifact 1\n"

// tail is the end of an artifact's file, after the magic words.
type tail struct {
	Offset, Length uint64 // of the index
	Sum            sum
}

const tailLength = len(magic) + 8 + 8 + sha256.Size

// entry is one file or link in the index.
type entry struct {
	Path   string `json:"p"`
	Word   string `json:"w"` // f, x or l
	Size   int64  `json:"s,omitempty"`
	Offset int64  `json:"o,omitempty"`
	Length int64  `json:"l,omitempty"`
	Sum    string `json:"h,omitempty"`
	Target string `json:"t,omitempty"`
}

var errDamaged = errors.New("the artifact's file is damaged")

func writeIndex(w *Writer, revision state.Revision, tree *growing) error {
	end := tail{Offset: uint64(w.out.written)}
	hash := sha256.New()
	w.flate.Reset(io.MultiWriter(w.out, hash))
	lines := json.NewEncoder(w.flate)
	if err := lines.Encode(revision); err != nil {
		return err
	}
	for _, name := range tree.order {
		n := tree.nodes[name]
		e := entry{Path: name, Word: n.word(), Size: n.size, Offset: n.at.offset, Length: n.at.length, Target: n.target}
		if !n.isLink() {
			e.Sum = hex.EncodeToString(n.sum[:])
		}
		if err := lines.Encode(e); err != nil {
			return err
		}
	}
	if err := w.flate.Close(); err != nil {
		return err
	}
	end.Length, end.Sum = uint64(w.out.written)-end.Offset, sum(hash.Sum(nil))
	if _, err := io.WriteString(w.out, magic); err != nil {
		return err
	}
	return binary.Write(w.out, binary.BigEndian, end)
}

// openPack opens an artifact's file. An error means that it is not one, or not whole.
func openPack(name string) (*pack, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	p := &pack{file: file}
	if p.root, err = readIndex(file); err != nil {
		_ = file.Close()
		return nil, err
	}
	return p, nil
}

func readIndex(file *os.File) (*node, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	begin := info.Size() - int64(tailLength)
	if begin < 0 {
		return nil, errDamaged
	}
	text := make([]byte, tailLength)
	if _, err := file.ReadAt(text, begin); err != nil {
		return nil, err
	}
	words, rest := text[:len(magic)], text[len(magic):]
	var end tail
	if _, err := binary.Decode(rest, binary.BigEndian, &end); err != nil || string(words) != magic ||
		end.Offset > uint64(begin) || end.Length != uint64(begin)-end.Offset {
		return nil, errDamaged
	}
	index := make([]byte, end.Length)
	if _, err := file.ReadAt(index, int64(end.Offset)); err != nil {
		return nil, err
	}
	if sha256.Sum256(index) != end.Sum {
		return nil, errDamaged
	}
	return decodeIndex(json.NewDecoder(flate.NewReader(bytes.NewReader(index))))
}

// decodeIndex builds the tree by the rules that it was written by.
func decodeIndex(lines *json.Decoder) (*node, error) {
	var revision state.Revision
	if err := lines.Decode(&revision); err != nil {
		return nil, err
	}
	tree := newGrowing()
	for {
		var e entry
		if err := lines.Decode(&e); errors.Is(err, io.EOF) {
			return tree.seal(), nil
		} else if err != nil {
			return nil, err
		}
		n, err := e.node()
		if err != nil {
			return nil, err
		}
		if err := tree.add(e.Path, n, func(string) error { return nil }); err != nil {
			return nil, err
		}
	}
}

func (e *entry) node() (*node, error) {
	if err := checkPath(e.Path); err != nil {
		return nil, err
	}
	n := &node{size: e.Size, at: place{e.Offset, e.Length}, target: e.Target}
	switch e.Word {
	case "f":
		n.mode = plainMode
	case "x":
		n.mode = execMode
	case "l":
		n.mode, n.sum = linkMode, sha256.Sum256([]byte(e.Target))
		return n, checkLink(e.Path, e.Target)
	default:
		return nil, errDamaged
	}
	content, err := hex.DecodeString(e.Sum)
	if err != nil || len(content) != len(n.sum) || e.Size < 0 {
		return nil, errDamaged
	}
	n.sum = sum(content)
	return n, nil
}

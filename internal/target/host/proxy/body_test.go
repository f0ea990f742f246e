package proxy

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// TestBodiesAreReadWholeOrNotAtAll: whatever earlier attempts read, a later one gets the body from its beginning, or an error.
func TestBodiesAreReadWholeOrNotAtAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := bytes.Repeat([]byte("0123456789abcdef"), rapid.IntRange(0, 2*maxReplay/16).Draw(t, "size"))
		s := newSource(iotest.OneByteReader(bytes.NewReader(content)))
		if rapid.Bool().Draw(t, "large reads") {
			s = newSource(bytes.NewReader(content))
		}
		most := 0
		for range rapid.IntRange(0, 3).Draw(t, "attempts") {
			r := s.reader()
			n, _ := io.ReadFull(r, make([]byte, rapid.IntRange(0, len(content)).Draw(t, "read")))
			most = max(most, n)
			r.stop()
			if _, err := r.Read(make([]byte, 1)); !errors.Is(err, errStopped) {
				t.Fatalf("an attempt that is over reads: %v", err)
			}
		}
		whole := s.whole()
		if whole != (most <= maxReplay) {
			t.Fatalf("%d bytes were read, and it is whole: %t", most, whole)
		}
		got, err := io.ReadAll(s.reader())
		switch {
		case whole && (err != nil || !bytes.Equal(got, content)):
			t.Fatalf("%d bytes of %d: %v", len(got), len(content), err)
		case !whole && !errors.Is(err, errLost):
			t.Fatalf("a body without its beginning was read: %v", err)
		}
	})
}

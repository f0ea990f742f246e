package git

import (
	"bufio"
	"errors"
	"hash"
	"hash/crc32"
)

var errHeadFull = errors.New("enough")

// headWriter keeps the first bytes and then stops the writing.
type headWriter struct{ buf []byte }

func (h *headWriter) Write(p []byte) (int, error) {
	h.buf = append(h.buf, p[:min(len(p), 32-len(h.buf))]...)
	if len(h.buf) >= 32 {
		return 0, errHeadFull
	}
	return len(p), nil
}

// packStream reads a pack as it arrives, counts and checks what it gives, and copies it to a file.
type packStream struct {
	in   *bufio.Reader
	out  *bufio.Writer
	sum  hash.Hash // of the pack
	crc  uint32    // since the last object's begin
	at   int64
	left int64 // bytes that may still come
	one  [1]byte
}

func (s *packStream) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if taken := s.take(p[:n]); taken != nil {
		return n, taken
	}
	return n, err
}

func (s *packStream) ReadByte() (byte, error) {
	c, err := s.in.ReadByte()
	if err != nil {
		return 0, err
	}
	s.one[0] = c
	return c, s.take(s.one[:])
}

func (s *packStream) take(p []byte) error {
	if s.left -= int64(len(p)); s.left < 0 {
		return errTooLarge
	}
	s.at += int64(len(p))
	s.crc = crc32.Update(s.crc, crc32.IEEETable, p)
	s.sum.Write(p)
	_, err := s.out.Write(p)
	return err
}

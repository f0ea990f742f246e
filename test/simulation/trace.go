package main

import (
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"time"
)

// trace is what happened, line by line: shown when somebody replays a seed, and always summed up in a digest, so that two runs of
// a seed can be compared.
type trace struct {
	out  io.Writer // nil to show nothing
	sum  hash.Hash64
	line []byte
}

func newTrace(out io.Writer) trace { return trace{out: out, sum: fnv.New64a()} }

// say notes that something happened to whom ("" for the world).
func (t *trace) say(at time.Duration, whom, format string, args ...any) {
	t.line = fmt.Appendf(t.line[:0], "%12s  %-6s ", at.Round(time.Millisecond), whom)
	t.line = fmt.Appendf(t.line, format, args...)
	t.line = append(t.line, '\n')
	_, _ = t.sum.Write(t.line) // a hash takes everything
	if t.out != nil {
		_, _ = t.out.Write(t.line)
	}
}

func (t *trace) digest() uint64 { return t.sum.Sum64() }

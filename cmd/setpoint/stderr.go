package main

import (
	"os"
	"strings"
	"time"
)

// flushing bounds how long the end of a command waits for what was written last: a program that a library has started may still hold the
// standard error.
const flushing = time.Second

// mute keeps from the standard error what Kustomize's library writes there by itself of fields that are out of date, at every build: the
// output of a command and of an agent is ours alone. Everything else passes, such as what a program says that gets credentials of a
// cluster. The function that it gives waits for what was written, and is to be called at the end. No goroutine may have been started
// before.
func mute() (flush func()) {
	before := os.Stderr
	from, to, err := os.Pipe()
	if err != nil {
		return func() {} // then it is as noisy as it is
	}
	os.Stderr = to
	done := make(chan struct{})
	go func() {
		defer close(done)
		passing(from, before)
	}()
	return func() {
		_ = to.Close() // only a pipe: what is written from here on is nobody's
		select {
		case <-done:
		case <-time.After(flushing):
		}
	}
}

// passing copies until there is nothing more, but for those warnings: each is written at once, and so it is read as a whole line.
func passing(from, to *os.File) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		for line := range strings.SplitAfterSeq(string(buffer[:n]), "\n") {
			if !outOfDate(line) {
				_, _ = to.WriteString(line) // there is nobody else to tell
			}
		}
		if err != nil {
			return
		}
	}
}

// outOfDate recognises "# Warning: 'vars' is deprecated. Please use 'replacements' instead. …".
func outOfDate(line string) bool {
	return strings.HasPrefix(line, "# Warning: '") && strings.Contains(line, "' is deprecated. Please use '")
}

// Command progress reads the output of go test -json and tells how far it is: a line per package, what failed with its output, what
// is still running when nothing has happened for a while, and a sum. It exits with 1 when anything failed.
//
//	go test -json ./... | go run ./test/progress
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// silence is how long nothing may happen before what is running is named.
const silence = 30 * time.Second

func main() {
	if !follow(os.Stdin, os.Stdout, time.Tick(silence)) {
		os.Exit(1)
	}
}

// event is a line of go test -json; see go doc test2json. Build output has no Package but an ImportPath.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64 // seconds
}

// sum counts what happened.
type sum struct {
	passed, failed, skipped int // tests, with their sub-tests
	packages, broken        int
	failures                []string
	running                 map[string]bool
	output                  map[string][]string // of tests and packages that have not ended
}

// follow reports until the input ends; it gives false when something failed, or when there was nothing at all.
func follow(in io.Reader, out io.Writer, tick <-chan time.Time) bool {
	lines := make(chan string)
	go func() { // ends with the input
		defer close(lines)
		reader := bufio.NewReader(in)
		for {
			line, err := reader.ReadString('\n')
			if line != "" {
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	return report(lines, out, tick)
}

// report takes lines until there are no more, and names what is running at each tick that follows another without a line between.
func report(lines <-chan string, out io.Writer, tick <-chan time.Time) bool {
	s := &sum{running: map[string]bool{}, output: map[string][]string{}}
	quiet := true
	for {
		select {
		case line, more := <-lines:
			if !more {
				return s.close(out)
			}
			quiet = false
			var e event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				fmt.Fprint(out, line) // not from a test: the go command itself
				continue
			}
			s.take(e, out)
		case <-tick:
			if quiet && len(s.running) > 0 {
				fmt.Fprintf(out, "  … running: %s\n", strings.Join(s.names(), ", "))
			}
			quiet = true
		}
	}
}

func (s *sum) take(e event, out io.Writer) {
	name := strings.TrimSuffix(e.Package+" "+e.Test, " ")
	switch e.Action {
	case "run", "start":
		s.running[name] = true
	case "output":
		s.output[name] = append(s.output[name], e.Output)
	case "build-output":
		fmt.Fprint(out, e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.endPackage(e, out)
		} else {
			s.endTest(e, name)
		}
		delete(s.running, name)
	}
}

func (s *sum) endTest(e event, name string) {
	switch e.Action {
	case "pass":
		s.passed++
	case "skip":
		s.skipped++
		s.failures = append(s.failures, "skipped: "+name)
	case "fail":
		s.failed++
		s.failures = append(s.failures, "failed:  "+name)
		s.output[e.Package] = append(s.output[e.Package], s.output[name]...)
	}
	delete(s.output, name)
}

func (s *sum) endPackage(e event, out io.Writer) {
	text := strings.Join(s.output[e.Package], "")
	delete(s.output, e.Package)
	if e.Action == "skip" { // no test files
		return
	}
	s.packages++
	if e.Action == "fail" {
		s.broken++
		fmt.Fprint(out, text)
	}
	note := ""
	if strings.Contains(text, "(cached)") {
		note = " (cached)"
	}
	fmt.Fprintf(out, "%-4s %6.1f s  %s%s  [%d passed so far]\n", map[string]string{"pass": "ok", "fail": "FAIL"}[e.Action], e.Elapsed,
		e.Package, note, s.passed)
}

// names gives the innermost of what is running.
func (s *sum) names() []string {
	var names []string
	for name := range s.running {
		outer := false // its tests, or sub-tests, run
		for other := range s.running {
			outer = outer || strings.HasPrefix(other, name+"/") || strings.HasPrefix(other, name+" ")
		}
		if !outer {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// close prints the sum. Skipped tests are named: a test that did not run proves nothing.
func (s *sum) close(out io.Writer) bool {
	slices.Sort(s.failures)
	for _, line := range s.failures {
		fmt.Fprintln(out, line)
	}
	for _, name := range s.names() {
		fmt.Fprintln(out, "not ended:", name)
	}
	fmt.Fprintf(out, "%d tests passed, %d failed, %d skipped, in %d packages, of which %d failed\n",
		s.passed, s.failed, s.skipped, s.packages, s.broken)
	return s.failed == 0 && s.broken == 0 && len(s.running) == 0 && s.packages > 0
}

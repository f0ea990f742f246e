// Command mutations asks whether the simulation would notice: it makes deliberate bugs, one after the other, and lets the simulation
// run over each until an invariant does not hold. It exits with 1 when a bug survives, or when there is nothing to make it of.
//
//	go run ./test/simulation/mutations              all of them
//	go run ./test/simulation/mutations -only prune  those with this in their name
//
// The bugs are in list.go. They are compiled in through the go command's overlay: no file of the tree is changed, and the product has
// no switch for any of them.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// mutation is a bug: in a file, text that is there exactly once, and what stands there instead.
type mutation struct {
	name string
	file string // below the root of the module
	old  string
	new  string
}

// options are the command line.
type options struct {
	only  string
	seeds int
	root  string
}

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "make only the bugs with this `text` in their name")
	flag.IntVar(&o.seeds, "seeds", 20_000, "give up after this `number` of seeds")
	flag.StringVar(&o.root, "root", ".", "the root of the module")
	flag.Parse()
	if err := o.run(os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "mutations:", err)
		os.Exit(1)
	}
}

func (o options) run(out, progress io.Writer) error {
	scratch, err := os.MkdirTemp("", "mutations")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	clean := filepath.Join(scratch, "clean")
	if err := o.build(clean); err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "MUTATION\tCAUGHT BY\tSEED")
	var wrong []error
	for _, m := range mutations {
		if !strings.Contains(m.name, o.only) {
			continue
		}
		began := time.Now()
		caught, err := o.try(m, scratch)
		if err == nil {
			err = caught.absent(clean)
		}
		if err != nil {
			caught = finding{invariant: "nothing: " + err.Error()}
			wrong = append(wrong, fmt.Errorf("%s: %w", m.name, err))
		}
		fmt.Fprintf(progress, "%s: %s, %s\n", m.name, caught.invariant, time.Since(began).Round(time.Second))
		fmt.Fprintf(table, "%s\t%s\t%d\n", m.name, caught.invariant, caught.seed)
	}
	return errors.Join(append(wrong, table.Flush())...)
}

// finding is the invariant that did not hold, and where.
type finding struct {
	invariant string
	seed      int
}

var errSurvived = errors.New("it survived")

// try makes one bug and lets the simulation look for it.
func (o options) try(m mutation, scratch string) (finding, error) {
	overlay, err := m.overlay(o.root, scratch)
	if err != nil {
		return finding{}, err
	}
	binary := filepath.Join(scratch, "simulation")
	if err := o.build(binary, "-overlay", overlay); err != nil {
		return finding{}, err
	}
	var output bytes.Buffer
	run := exec.Command(binary, "-seeds", strconv.Itoa(o.seeds), "-violations", "1")
	run.Stdout = &output
	if err := run.Run(); err == nil {
		return finding{}, errSurvived
	}
	return parse(output.String())
}

// build compiles the simulation.
func (o options) build(binary string, flags ...string) error {
	build := exec.Command("go", slices.Concat([]string{"build"}, flags, []string{"-o", binary, "./test/simulation"})...)
	build.Dir = o.root
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("it does not compile: %s", output)
	}
	return nil
}

// absent checks that the world in which the bug was found is in order without it.
func (f finding) absent(clean string) error {
	if err := exec.Command(clean, "-seed", strconv.Itoa(f.seed)).Run(); err != nil {
		return fmt.Errorf("seed %d is not in order without it either: %w", f.seed, err)
	}
	return nil
}

var violated = regexp.MustCompile(`VIOLATION seed=(\d+) invariant="([^"]+)"`)

// parse finds the first violation in what the simulation says.
func parse(output string) (finding, error) {
	found := violated.FindStringSubmatch(output)
	if found == nil {
		return finding{}, fmt.Errorf("the simulation did not run: %s", output)
	}
	seed, err := strconv.Atoi(found[1])
	return finding{invariant: found[2], seed: seed}, err
}

// overlay writes the file with its bug, and the go command's note that it stands for the real one.
func (m mutation) overlay(root, scratch string) (string, error) {
	mutated, err := m.apply(root)
	if err != nil {
		return "", err
	}
	original, err := filepath.Abs(filepath.Join(root, m.file))
	if err != nil {
		return "", err
	}
	instead := filepath.Join(scratch, filepath.Base(m.file))
	if err := os.WriteFile(instead, mutated, 0o600); err != nil {
		return "", err
	}
	note, err := json.Marshal(map[string]map[string]string{"Replace": {original: instead}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(scratch, "overlay.json")
	return overlay, os.WriteFile(overlay, note, 0o600)
}

// apply gives the file with its bug.
func (m mutation) apply(root string) ([]byte, error) {
	content, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return nil, err
	}
	if count := bytes.Count(content, []byte(m.old)); count != 1 {
		return nil, fmt.Errorf("%s has the text to change %d times, want once: %q", m.file, count, m.old)
	}
	return bytes.Replace(content, []byte(m.old), []byte(m.new), 1), nil
}

package journal

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const writers = 4

// writeUntilKilled says what each of its writers has put or deleted after the call has returned: "2 17" is that writer 2 has come to
// generation 17. In each generation a writer puts its record and a pair of others, keeps what was there before, and deletes what it had
// two generations ago. Data is long enough that the log is compacted again and again.
func writeUntilKilled(dir string) {
	j, err := Open(dir, locked)
	if err != nil {
		panic(err)
	}
	var group sync.WaitGroup
	for writer := range writers {
		group.Go(func() {
			for generation := 1; generation <= generationOf(j, writer); generation++ {
				deleteOne(j, writer, generation-2) // death may have come before it
			}
			for generation := generationOf(j, writer) + 1; ; generation++ {
				writeOne(j, writer, generation)
				fmt.Println(writer, generation)
			}
		})
	}
	group.Wait()
}

func writeOne(j *Journal, writer, generation int) {
	ctx := context.Background()
	digest, err := j.Keep(fmt.Append(nil, writer, generation))
	if err != nil {
		panic(err)
	}
	main := typical(fmt.Sprint("main-", writer), generation)
	main.Wave, main.Blobs = generation, []string{digest}
	main.Data = fmt.Appendf(nil, "[%d,%q]", generation, strings.Repeat("x", 8<<10))
	if err := j.Put(ctx, main, typical(pairName("left", writer, generation), 0), typical(pairName("right", writer, generation), 0)); err != nil {
		panic(err)
	}
	deleteOne(j, writer, generation-2)
}

func deleteOne(j *Journal, writer, generation int) {
	left, right := fileID(pairName("left", writer, generation)), fileID(pairName("right", writer, generation))
	if err := j.Delete(context.Background(), left, right); err != nil {
		panic(err)
	}
}

func pairName(side string, writer, generation int) string {
	return fmt.Sprintf("%s-%d-%d", side, writer, generation)
}

func generationOf(j *Journal, writer int) int {
	record, _ := j.Get(fileID(fmt.Sprint("main-", writer)))
	return record.Wave
}

// TestKilledWhileWriting kills a process that writes, again and again: what it said was written is there, whole, and what goes together
// is there together.
func TestKilledWhileWriting(t *testing.T) {
	dir := t.TempDir()
	for round := range 12 {
		said := runUntilKilled(t, dir, 20*round)
		checkWritten(t, dir, said)
	}
}

// runUntilKilled lets a writer say so many lines, and kills it. It gives the last generation that each writer said was durable.
func runUntilKilled(t *testing.T, dir string, lines int) (said [writers]int) {
	t.Helper()
	process := exec.CommandContext(t.Context(), os.Args[0])
	process.Env = append(os.Environ(), writerOf+"="+dir)
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	hear := func(line string) {
		writer, generation, _ := strings.Cut(line, " ")
		w, errWriter := strconv.Atoi(writer)
		g, errGeneration := strconv.Atoi(generation)
		if errWriter == nil && errGeneration == nil { // a line may be cut off by death
			said[w] = max(said[w], g)
		}
	}
	scanner := bufio.NewScanner(out)
	for count := 0; count <= lines && scanner.Scan(); count++ {
		hear(scanner.Text())
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for scanner.Scan() { // what it said before it died
		hear(scanner.Text())
	}
	_ = process.Wait() // it was killed
	return said
}

func checkWritten(t *testing.T, dir string, said [writers]int) {
	t.Helper()
	j := mustOpen(t, dir)
	for writer := range writers {
		generation := generationOf(j, writer)
		if generation < said[writer] {
			t.Errorf("writer %d said that generation %d is durable, and found is %d", writer, said[writer], generation)
		}
		for g := range generation + 1 {
			_, left := j.Get(fileID(pairName("left", writer, g)))
			_, right := j.Get(fileID(pairName("right", writer, g)))
			switch {
			case left != right:
				t.Errorf("writer %d, generation %d: one half of a write is there", writer, g)
			case left && (g > generation || g < generation-2 || g < said[writer]-1):
				t.Errorf("writer %d, generation %d of %d: it is there, and was deleted", writer, g, generation)
			case !left && g > 0 && g >= generation-1:
				t.Errorf("writer %d, generation %d of %d: it is not there", writer, g, generation)
			}
		}
		record, found := j.Get(fileID(fmt.Sprint("main-", writer)))
		if !found {
			continue
		}
		if content, err := j.Kept(record.Blobs[0]); err != nil || string(content) != fmt.Sprint(writer, generation) {
			t.Errorf("writer %d: kept is %q, %v", writer, content, err)
		}
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

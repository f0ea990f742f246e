package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/seal"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Whatever is put, deleted, compacted and opened again: the journal says what a map would say.
func TestAgreesWithAModel(t *testing.T) {
	names := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
	owners := rapid.SampledFrom([]state.Owner{shop, {Agent: "host-1", Sync: "base"}})
	data := rapid.SampledFrom([]string{"", `{"path":"/a&<b>","n":1}`, `{ "n" : [1,  2] }`, `"é "`, "null"})
	above, checks := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		checks++
		dir := filepath.Join(above, strconv.Itoa(checks))
		j, err := Open(dir, locked)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = j.Close() }()
		model := map[state.ID]Record{}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				var records []Record
				for range rapid.IntRange(1, 3).Draw(t, "records") {
					record := Record{
						ID: fileID(names.Draw(t, "name")), Owner: owners.Draw(t, "owner"), Wave: rapid.IntRange(-1, 1).Draw(t, "wave"),
						Keep: rapid.Bool().Draw(t, "keep"), Blobs: rapid.SliceOfN(names, 0, 2).Draw(t, "blobs"),
					}
					if text := data.Draw(t, "data"); text != "" {
						record.Data = json.RawMessage(text)
					}
					records = append(records, record)
					model[record.ID] = record
				}
				if err := j.Put(context.Background(), records...); err != nil {
					t.Fatal(err)
				}
			},
			"delete": func(t *rapid.T) {
				id := fileID(names.Draw(t, "name"))
				delete(model, id)
				if err := j.Delete(context.Background(), id); err != nil {
					t.Fatal(err)
				}
			},
			"compact": func(*rapid.T) {
				j.turn <- struct{}{}
				j.compact()
				<-j.turn
			},
			"reopen": func(t *rapid.T) {
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				if j, err = Open(dir, locked); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) { agree(t, j, model) },
		})
		beside, err := OpenReadOnly(dir, locked)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, beside, model)
	})
}

func agree(t *rapid.T, j *Journal, model map[state.ID]Record) {
	owned, blobs := map[state.Owner][]state.ID{}, map[string]int{}
	for id, want := range model {
		owned[want.Owner] = append(owned[want.Owner], id)
		for _, digest := range want.Blobs {
			blobs[digest]++
		}
		got, found := j.Get(id)
		if !found || !same(got, want) {
			t.Fatalf("Get(%s) = %+v, %v; want %+v", id, got, found, want)
		}
	}
	if all := j.All(); len(all) != len(model) || !slices.IsSortedFunc(all, func(a, b Record) int { return a.ID.Compare(b.ID) }) {
		t.Fatalf("All() = %+v, want the %d of the model, sorted", all, len(model))
	}
	for owner, ids := range owned {
		slices.SortFunc(ids, state.ID.Compare)
		if got := j.Owned(owner); !slices.Equal(got, ids) {
			t.Fatalf("Owned(%s) = %v, want %v", owner, got, ids)
		}
	}
	for _, record := range j.Surplus(shop, func(id state.ID) bool { return id.Name < "c" }) {
		if record.Owner != shop || record.ID.Name < "c" {
			t.Fatalf("surplus = %+v", record)
		}
	}
	if len(j.content.owned) != len(owned) {
		t.Fatalf("owners = %v, want %v", j.content.owned, owned)
	}
	if difference := cmp.Diff(blobs, j.content.blobs); difference != "" {
		t.Fatalf("blobs (-want +have):\n%s", difference)
	}
}

// same compares by meaning: the spaces of Data are not kept.
func same(got, want Record) bool {
	c, err := putting(want, seal.Box{})
	return err == nil && got.equal(*c.Put)
}

func TestEqualRecordsCostNoWrite(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	spaced := typical("a", 1)
	spaced.Data = json.RawMessage(`{ "path": "/a" }`)
	put(t, j, spaced, typical("b", 1))
	before := logSize(t, j)
	dense := spaced
	dense.Data = json.RawMessage(`{"path":"/a"}`)
	put(t, j, dense, typical("b", 1))
	if err := j.Delete(t.Context(), fileID("not there")); err != nil {
		t.Fatal(err)
	}
	put(t, j)
	if after := logSize(t, j); after != before {
		t.Errorf("the log grew from %d to %d bytes", before, after)
	}
}

// Callers that come together share a write, and each finds its record when it is told that it is durable.
func TestConcurrentCallersShareWrites(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	counting := &countingFile{logFile: j.disk.file}
	j.disk.file = counting
	const callers, each = 32, 20
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for n := range each {
				record := typical(fmt.Sprintf("%d-%d", caller, n), 0)
				if err := j.Put(t.Context(), record); err != nil {
					t.Error(err)
				}
				if _, found := j.Get(record.ID); !found {
					t.Errorf("%s was put, and is not there", record.ID)
				}
			}
		})
	}
	group.Wait()
	if counting.syncs >= callers*each {
		t.Errorf("%d writes for %d records: none was shared", counting.syncs, callers*each)
	}
	if all := reopen(t, j).All(); len(all) != callers*each {
		t.Errorf("%d records after opening again, want %d", len(all), callers*each)
	}
}

type countingFile struct {
	logFile
	syncs int
}

func (f *countingFile) Sync() error {
	f.syncs++
	return f.logFile.Sync()
}

func TestCompactionKeepsTheLogInProportion(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	big := typical("a", 0)
	for n := range 100 {
		big.Data = fmt.Appendf(nil, "[%d,%q]", n, strings.Repeat("x", 8<<10))
		put(t, j, big)
	}
	if size := logSize(t, j); size > compactFrom+1<<17 {
		t.Errorf("the log has %d bytes for one record", size)
	}
	if got, _ := reopen(t, j).Get(big.ID); !same(got, big) {
		t.Error("the last record is not there after a compaction")
	}
}

func TestOneWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "journal")
	j := mustOpen(t, dir)
	put(t, j, typical("a", 1))
	if _, err := Open(dir, locked); fault.KindOf(err) != fault.Conflict || fault.HintOf(err) == "" {
		t.Errorf("a second writer: %v, want a conflict with a hint", err)
	}
	beside, err := OpenReadOnly(dir, locked)
	if err != nil || len(beside.All()) != 1 {
		t.Fatalf("a reader beside the writer: %v, want its record", err)
	}
	for what, err := range map[string]error{
		"put": beside.Put(t.Context(), typical("b", 1)), "delete": beside.Delete(t.Context(), fileID("a")), "keep": kept(beside),
	} {
		if fault.KindOf(err) != fault.Denied {
			t.Errorf("%s by a reader: %v, want it denied", what, err)
		}
	}
	if err := errors.Join(beside.Close(), j.Close(), j.Close()); err != nil {
		t.Error(err)
	}
	if err := j.Put(t.Context(), typical("b", 1)); fault.KindOf(err) != fault.Transient {
		t.Errorf("put after the end: %v", err)
	}
}

func kept(j *Journal) error {
	_, err := j.Keep([]byte("x"))
	return err
}

// Whoever reads beside a writer, through compactions too, sees every object as it was at some instant, whole.
func TestReadersBesideAWriter(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		defer close(done)
		for n := 1; n <= 400; n++ {
			left, right := typical("left", n), typical("right", n)
			left.Wave, right.Wave = n, n
			left.Data = fmt.Appendf(nil, "%q", strings.Repeat("x", 8<<10))
			if err := j.Put(t.Context(), left, right); err != nil {
				t.Error(err)
			}
		}
	})
	for last := 0; ; {
		select {
		case <-done:
			writer.Wait()
			return
		default:
		}
		beside, err := OpenReadOnly(j.dir, locked)
		if err != nil {
			t.Fatal(err)
		}
		left, _ := beside.Get(fileID("left"))
		right, _ := beside.Get(fileID("right"))
		if left.Wave != right.Wave || left.Wave < last {
			t.Fatalf("left %d and right %d, after %d", left.Wave, right.Wave, last)
		}
		last = left.Wave
	}
}

func TestReadersMakeNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	j, err := OpenReadOnly(dir, locked)
	if err != nil || len(j.All()) != 0 {
		t.Fatalf("%v, %v; want an empty journal", j.All(), err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory was made: %v", err)
	}
}

func TestOnlyTheAgentMayLook(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	j := mustOpen(t, dir)
	put(t, j, typical("a", 1))
	digest, err := j.Keep([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"": 0o700, logName: 0o600, lockName: 0o600, blobsName: 0o700, blobsName + "/" + digest: 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v; want mode %o", name, info.Mode(), err, want)
		}
	}
}

func TestRecordsMustBeWhole(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	for name, record := range map[string]Record{
		"no object": {Owner: shop}, "no owner": {ID: fileID("a")}, "no JSON": {ID: fileID("a"), Owner: shop, Data: json.RawMessage("{")},
	} {
		if err := j.Put(t.Context(), typical("b", 1), record); fault.KindOf(err) != fault.Internal {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Put(ctx, typical("b", 1)); fault.KindOf(err) != fault.Transient {
		t.Errorf("after the context's end: %v", err)
	}
	if len(j.All()) != 0 {
		t.Errorf("records = %v, want none", j.All())
	}
}

func TestBlobsLiveAsLongAsTheyAreNamed(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	digest, err := j.Keep([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	a, b := typical("a", 1), typical("b", 1)
	a.Blobs, b.Blobs = []string{digest}, []string{digest}
	put(t, j, a)
	put(t, j, b)
	j = reopen(t, j)
	if again, err := j.Keep([]byte("before")); err != nil || again != digest {
		t.Errorf("kept again: %q, %v", again, err)
	}
	c := typical("c", 1)
	c.Blobs = a.Blobs
	put(t, j, c)
	for _, id := range []state.ID{a.ID, b.ID} {
		if err := j.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if content, err := j.Kept(digest); err != nil || string(content) != "before" {
			t.Errorf("%q, %v: it is gone, though a record names it", content, err)
		}
	}
	put(t, j, typical("c", 2)) // names nothing
	if _, err := j.Kept(digest); fault.KindOf(err) != fault.NotFound {
		t.Errorf("no record names it, and it is still there: %v", err)
	}
}

func TestBlobsThatNobodyNamedAreSwept(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	digest, err := j.Keep([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	j = reopen(t, j)
	if _, err := j.Kept(digest); fault.KindOf(err) != fault.NotFound {
		t.Errorf("nobody ever named it, and it is still there: %v", err)
	}
}

func TestDamagedBlobs(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	digest, err := j.Keep([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(j.blob(digest), []byte("befoul"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Kept(digest); fault.KindOf(err) != fault.Invalid {
		t.Errorf("damaged: %v", err)
	}
	if _, err := j.Kept("../" + logName); fault.KindOf(err) != fault.Internal {
		t.Errorf("no digest: %v", err)
	}
	if _, err := j.Keep([]byte("before")); err != nil {
		t.Fatal(err)
	}
	if content, err := j.Kept(digest); err != nil || string(content) != "before" {
		t.Errorf("kept anew: %q, %v", content, err)
	}
}

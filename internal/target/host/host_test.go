package host

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/targettest"
)

// The host keeps the contract of targets with any driver that keeps its own.
func TestConformanceWithAnyDriver(t *testing.T) {
	f := open(t, t.TempDir())
	targettest.Run(t, targettest.Harness{
		New:    func(*testing.T) target.Target { return f.Host },
		Object: func(name, value string) *state.Object { return declare("File", name, value) },
		Tamper: func(_ *testing.T, id state.ID, value string) { f.files.set(id, value) },
		Remove: func(_ *testing.T, id state.ID) { f.files.remove(id) },
		Exists: func(_ *testing.T, id state.ID) bool {
			_, found := f.files.get(id)
			return found
		},
		Foreign: func(_ *testing.T, object *state.Object) { f.files.set(object.ID(), textOf(object)) },
	})
}

func TestUnknownKindsAreErrorsOfTheirObjects(t *testing.T) {
	f := open(t, t.TempDir())
	good, unknown := declare("File", "a", "1"), declare("Socket", "b", "1")
	entries := f.entries(t, target.Query{Owner: shop, Want: set(good, unknown)})
	if len(entries) != 2 || entries[0].Err != nil || fault.KindOf(entries[1].Err) != fault.Invalid || fault.HintOf(entries[1].Err) == "" {
		t.Errorf("entries = %+v, want the second invalid, with a hint", entries)
	}
	results := f.carry(t, shop, creating(unknown), creating(good))
	for _, result := range results {
		if wrong := result.ID == unknown.ID(); wrong != (fault.KindOf(result.Err) == fault.Invalid) {
			t.Errorf("result = %+v", result)
		}
	}
}

func TestOwnersDoNotTouchEachOther(t *testing.T) {
	f := open(t, t.TempDir())
	mine, theirs := declare("File", "a", "1"), declare("File", "a", "2")
	f.create(t, shop, mine)
	if entry := f.one(t, base, theirs); entry.Op != diff.Update || !namesBoth(entry.Err, shop, base) {
		t.Errorf("entry = %+v, want a conflict that names both", entry)
	}
	for _, step := range []plan.Step{creating(theirs), deleting(theirs)} {
		if result := f.carry(t, base, step)[0]; !namesBoth(result.Err, shop, base) {
			t.Errorf("%s: %v, want a conflict that names both", step.Op, result.Err)
		}
	}
	if text, _ := f.files.get(mine.ID()); text != "1" {
		t.Errorf("the object is %q now", text)
	}
}

// When two owners create the same object at the same time, one of them has it, and the other is told so.
func TestOneOfTwoOwnersWins(t *testing.T) {
	f := open(t, t.TempDir())
	for n := range 50 {
		object := declare("File", fmt.Sprint("f", n), "1")
		var mu sync.Mutex
		won := 0
		var both sync.WaitGroup
		for _, owner := range []state.Owner{shop, base} {
			both.Go(func() {
				_ = f.Apply(t.Context(), owner, []plan.Step{creating(object)}, func(result target.Result) {
					mu.Lock()
					defer mu.Unlock()
					if result.Err == nil {
						won++
					} else if !namesBoth(result.Err, shop, base) {
						t.Error(result.Err)
					}
				})
			})
		}
		both.Wait()
		if won != 1 {
			t.Fatalf("%d owners have %s", won, object.ID())
		}
	}
}

func TestWhatIsNotWantedKeepsItsWaveAndWish(t *testing.T) {
	f := open(t, t.TempDir())
	f.create(t, shop, declare("File", "a", "1", "setpoint.dev/wave", "3", "setpoint.dev/prune", "disabled"), declare("App", "b", "1"))
	entries := f.entries(t, target.Query{Owner: shop})
	if len(entries) != 2 || entries[0].ID.Kind != "App" || entries[0].Keep || entries[1].Wave != 3 || !entries[1].Keep || entries[1].Op != diff.Delete {
		t.Errorf("entries = %+v, want both to be deleted, the file in wave 3 and kept", entries)
	}
}

func TestDriftPolicyOfAnObject(t *testing.T) {
	f := open(t, t.TempDir())
	if entry := f.one(t, shop, declare("File", "a", "1", "setpoint.dev/drift", "report")); entry.Drift != "report" {
		t.Errorf("drift = %q, want report", entry.Drift)
	}
}

func TestOnlyLooksAtNothingElse(t *testing.T) {
	f := open(t, t.TempDir())
	var objects []*state.Object
	for n := range 100 {
		objects = append(objects, declare("File", fmt.Sprint("f", n), "1"))
	}
	f.create(t, shop, objects...)
	a, surplus := objects[3], objects[5]
	want := set(slices.DeleteFunc(slices.Clone(objects), func(o *state.Object) bool { return o == surplus })...)
	unknown := state.ID{Group: group, Kind: "File", Name: "nobody's"}
	f.files.compared = nil
	entries := f.entries(t, target.Query{Owner: shop, Want: want, Only: []state.ID{surplus.ID(), a.ID(), unknown, a.ID()}})
	if len(entries) != 2 || entries[0].ID != a.ID() || entries[0].Op != diff.None || entries[1].Op != diff.Delete {
		t.Errorf("entries = %+v, want the two that are wanted or owned", entries)
	}
	if len(f.files.compared) != 1 {
		t.Errorf("compared %v, want only what was asked for", f.files.compared)
	}
	if entries := f.entries(t, target.Query{Owner: shop, Want: want, Only: []state.ID{}}); len(entries) > 0 {
		t.Errorf("entries = %+v, and nothing was asked for", entries)
	}
}

func TestIgnoredFields(t *testing.T) {
	f := open(t, t.TempDir())
	object := declare("File", "a", "1")
	f.create(t, shop, object)
	f.files.set(object.ID(), "tampered")
	compare := func(rules ...diff.Ignore) diff.Entry {
		return f.entries(t, target.Query{Owner: shop, Want: set(object), Ignore: rules})[0]
	}
	for _, test := range []struct {
		name string
		rule diff.Ignore
		want diff.Op
	}{
		{"the field", diff.Ignore{Fields: []string{"/spec/content"}}, diff.None},
		{"what it lies in", diff.Ignore{ID: state.ID{Kind: "File"}, Fields: []string{"/spec"}}, diff.None},
		{"every field", diff.Ignore{Fields: []string{"/spec/*"}}, diff.None},
		{"another field", diff.Ignore{Fields: []string{"/spec/mode", "/spec/content/deeper", "broken"}}, diff.Update},
		{"another object", diff.Ignore{ID: state.ID{Name: "b"}, Fields: []string{"/spec"}}, diff.Update},
	} {
		if entry := compare(test.rule); entry.Op != test.want || (len(entry.Fields) == 0) != (test.want == diff.None) {
			t.Errorf("%s: %s with %+v, want %s", test.name, entry.Op, entry.Fields, test.want)
		}
	}
	adopted := declare("File", "b", "1")
	f.files.set(adopted.ID(), "theirs")
	entries := f.entries(t, target.Query{Owner: shop, Want: set(adopted), Only: []state.ID{adopted.ID()}, Ignore: []diff.Ignore{{Fields: []string{"/spec"}}}})
	if entries[0].Op != diff.Update {
		t.Errorf("%s: what is not ours yet has to be adopted, whatever is ignored", entries[0].Op)
	}
}

func TestPathsOfRules(t *testing.T) {
	for _, test := range []struct {
		rule, path string
		want       bool
	}{
		{"/a", "/a", true}, {"/a", "/a/b", true}, {"/a/b", "/a", false}, {"/a", "/ab", false}, {"/*/b", "/a/b", true},
		{"/a[*]", "/a[name=x]/b", true}, {"/a[name=x]", "/a[name=x,port=1]", true}, {"/a[name=y]", "/a[name=x]", false},
		{"/a/name", "/a[name=x]", false}, {"/entries/a~1b", "/entries/a~1b", true},
	} {
		rule, errRule := diff.ParsePath(test.rule)
		path, errPath := diff.ParsePath(test.path)
		if errRule != nil || errPath != nil {
			t.Fatal(errRule, errPath)
		}
		if got := covers(rule, path); got != test.want {
			t.Errorf("%s covers %s: %v", test.rule, test.path, got)
		}
	}
}

func TestOrder(t *testing.T) {
	f := open(t, t.TempDir())
	app, file := declare("App", "app", "1"), declare("File", "file", "1")
	shallow, deep, deepest := declare("Directory", "d", "1"), declare("Directory", "d-e", "1"), declare("Directory", "d-e-f", "1")
	objects := []*state.Object{app, deep, file, deepest, shallow}
	var made, removed []plan.Step
	for _, object := range objects {
		made, removed = append(made, creating(object)), append(removed, deleting(object))
	}
	name := func(ranks [][]plan.Step) string {
		var names []string
		for _, rank := range ranks {
			for _, step := range rank {
				names = append(names, step.ID.Name)
			}
		}
		return strings.Join(names, " ")
	}
	if got := name(f.inOrder(made)); got != "d d-e d-e-f file app" {
		t.Errorf("made in the order %q", got)
	}
	if got := name(f.inOrder(append(removed, creating(declare("File", "new", "1"))))); got != "new app file d-e-f d-e d" {
		t.Errorf("removed in the order %q", got)
	}
	f.create(t, shop, objects...)
	if got := fmt.Sprint(f.files.applied); got != fmt.Sprint([]state.ID{shallow.ID(), deep.ID(), deepest.ID(), file.ID()}) {
		t.Errorf("carried out in the order %s", got)
	}
}

// Steps of one rank run beside each other, a rank begins when the one before is done, and results come one at a time.
func TestRanksRunInParallel(t *testing.T) {
	f := open(t, t.TempDir())
	var mu sync.Mutex
	together, ready := 0, make(chan struct{})
	f.files.during = func(plan.Step) {
		mu.Lock()
		if together++; together == writers {
			close(ready)
		}
		mu.Unlock()
		<-ready // it goes on when all workers are in here
	}
	var steps []plan.Step
	for n := range writers {
		steps = append(steps, creating(declare("File", fmt.Sprint("f", n), "1")))
	}
	steps = append(steps, creating(declare("App", "app", "1")))
	f.apps.during = func(plan.Step) {
		if len(f.files.applied) != writers || len(f.Host.journal.Owned(shop)) != writers {
			t.Error("an app was begun before the files were done")
		}
	}
	for _, result := range f.carry(t, shop, steps...) {
		if result.Err != nil || result.Duration <= 0 {
			t.Errorf("result = %+v", result)
		}
	}
}

func TestApplyEndsWithItsContext(t *testing.T) {
	f := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	f.files.during = func(plan.Step) { cancel() }
	var results []target.Result
	err := f.Apply(ctx, shop, []plan.Step{creating(declare("Directory", "a", "1")), creating(declare("File", "b", "1"))}, func(r target.Result) {
		results = append(results, r)
	})
	if fault.KindOf(err) != fault.Transient || len(results) != 1 {
		t.Errorf("%v with %+v, want the first step, and an error for the rest", err, results)
	}
	if _, err := f.Compare(ctx, target.Query{Owner: shop, Want: set(declare("File", "b", "1"))}); fault.KindOf(err) != fault.Transient {
		t.Errorf("Compare: %v", err)
	}
}

func TestLocksForgetAndEndWithTheContext(t *testing.T) {
	var l locks
	id := state.ID{Kind: "File", Name: "a"}
	release, err := l.take(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.take(ctx, id); fault.KindOf(err) != fault.Transient {
		t.Errorf("%v, want that it cannot be had", err)
	}
	release()
	if len(l.held) > 0 {
		t.Errorf("held = %v after the last release", l.held)
	}
}

func TestClosingTwice(t *testing.T) {
	f := open(t, t.TempDir())
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil || f.files.closed != 1 {
		t.Errorf("%v; closed %d times", err, f.files.closed)
	}
}

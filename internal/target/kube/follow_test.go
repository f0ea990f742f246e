package kube

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/test/cluster"
)

// follows starts to follow and counts what is told.
func (b *bench) follows(target *Target, id state.ID) (told *atomic.Int64, stop func()) {
	b.t.Helper()
	told = &atomic.Int64{}
	stop, err := target.Follow(b.ctx(), id, func() { told.Add(1) })
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(stop)
	return told, stop
}

func (b *bench) id(kind, name string) state.ID {
	return state.ID{Kind: kind, Namespace: b.namespace, Name: name}
}

func TestFollow(t *testing.T) {
	b := newBench(t)
	b.do("POST", b.path("/configmaps"), `{"metadata":{"name":"a"}}`)
	since := time.Now()
	told, _ := b.follows(b.target, b.id("ConfigMap", "a"))
	missing, _ := b.follows(b.target, b.id("Secret", "later"))
	other, stopOther := b.follows(b.target, state.ID{Kind: "ConfigMap", Name: "a"}) // the target's own namespace
	step := func(what, method, path, body string, who *atomic.Int64) {
		t.Helper()
		before := who.Load()
		b.do(method, b.path(path), body)
		b.eventually(what, func() bool { return who.Load() > before })
	}
	step("the change", "PUT", "/configmaps/a", `{"metadata":{"name":"a"},"data":{"k":"1"}}`, told)
	b.eventually("the other follower is told too", func() bool { return other.Load() > 0 })
	stopOther()
	stopOther() // twice is once
	quiet := other.Load()
	step("the deletion", "DELETE", "/configmaps/a", "", told)
	step("the new one", "POST", "/configmaps", `{"metadata":{"name":"a"}}`, told)
	step("what was missing", "POST", "/secrets", `{"metadata":{"name":"later"}}`, missing)
	if other.Load() != quiet {
		t.Error("told after it was stopped")
	}
	// The neighbours of what is followed wake nobody.
	all := told.Load() + missing.Load()
	b.do("POST", b.path("/configmaps"), `{"metadata":{"name":"b"}}`)
	step("a later change", "PUT", "/configmaps/a", `{"metadata":{"name":"a"},"data":{"k":"2"}}`, told)
	if got := told.Load() + missing.Load(); got != all+1 {
		t.Errorf("told %d times of one change", got-all)
	}
	watches := b.requests(since, func(e cluster.AuditEvent) bool { return e.Verb == "watch" && e.Namespace == b.namespace })
	if len(setOf(watches)) != 2 {
		t.Errorf("watches of two objects: %q", watches)
	}
}

func setOf(items []string) map[string]bool {
	set := map[string]bool{}
	for _, item := range items {
		set[item] = true
	}
	return set
}

// Who follows first and then reads never holds on to an old value: Read does not answer from a watch that is behind.
func TestReadAfterFollowIsNew(t *testing.T) {
	b := newBench(t)
	object := b.configMap("a", "1")
	b.settle(object) // in the cache
	told, _ := b.follows(b.target, object.ID())
	for i := range 20 {
		before := told.Load()
		value := string(rune('a' + i))
		b.do("PATCH", b.path("/configmaps/a?fieldManager=x&force=true"), `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"value":"`+value+`"}}`)
		b.eventually("the change is told", func() bool { return told.Load() > before })
		got, err := b.target.Read(t.Context(), object.ID())
		if err != nil || (view{got.Content()}).text("data", "value") != value {
			t.Fatalf("%v, %v, want %s", got, err, value)
		}
	}
}

func TestFollowWithoutRights(t *testing.T) {
	b := newBench(t)
	user := "system:serviceaccount:" + b.namespace + ":deployer"
	b.allow(user, b.namespace, `{"apiGroups":[""],"resources":["configmaps"],"resourceNames":["a"],"verbs":["get","watch"]}`)
	acting, err := b.target.cluster.As(b.namespace+"/deployer", b.namespace)
	if err != nil {
		t.Fatal(err)
	}
	b.do("POST", b.path("/configmaps"), `{"metadata":{"name":"a"}}`)
	told, _ := b.follows(acting, b.id("ConfigMap", "a")) // a right to one name is enough
	_, stop := b.follows(acting, b.id("ConfigMap", "b")) // returns although nothing can be seen
	stop()
	b.do("PUT", b.path("/configmaps/a"), `{"metadata":{"name":"a"},"data":{"k":"1"}}`)
	b.eventually("the change", func() bool { return told.Load() > 0 })
	for id, kind := range map[state.ID]fault.Kind{
		{Group: "no.such", Kind: "Thing", Name: "a"}: fault.NotFound, b.id("ConfigMap", "a/b"): fault.Invalid, b.id("ConfigMap", ""): fault.Invalid,
	} {
		if _, err := acting.Follow(t.Context(), id, func() {}); fault.KindOf(err) != kind {
			t.Errorf("%v: %v", id, err)
		}
	}
}

func TestFollowNews(t *testing.T) {
	type sight struct {
		version uint64
		there   bool
		news    bool
	}
	for name, test := range map[string]struct {
		settled bool // the first look has failed
		sights  []sight
	}{
		"a first look is no news":          {false, []sight{{5, true, false}, {5, true, false}, {4, true, false}, {6, true, true}}},
		"after a failure it is":            {true, []sight{{5, true, true}, {5, true, false}}},
		"deleted and made again":           {false, []sight{{5, true, false}, {6, false, true}, {7, true, true}, {6, false, false}}},
		"not there":                        {false, []sight{{0, false, false}, {0, false, false}, {3, true, true}, {0, false, true}}},
		"gone while nobody watched":        {false, []sight{{5, true, false}, {0, false, true}, {5, true, false}, {9, true, true}}},
		"the stream's past, after a look":  {false, []sight{{8, true, false}, {5, true, false}, {7, false, false}, {8, true, false}}},
		"not there after a failed look":    {true, []sight{{0, false, true}}},
		"a deletion that is told of twice": {false, []sight{{5, true, false}, {6, false, true}, {0, false, false}}},
	} {
		f := &follow{all: &follows{}, open: !test.settled, followers: map[*func()]bool{new(func()): true}}
		for i, s := range test.sights {
			if got := len(f.news(s.version, s.there)) > 0; got != s.news {
				t.Errorf("%s: sight %d: news %v", name, i, got)
			}
		}
	}
}

func TestFollowEndsWithTheCluster(t *testing.T) {
	b := newBench(t)
	other := b.connect(Config{})
	b.follows(other, b.id("ConfigMap", "a"))
	other.Close() // waits for every watch
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.target.Follow(ctx, b.id("ConfigMap", "a"), func() {}); err != nil && fault.KindOf(err) != fault.Transient {
		t.Error(err)
	}
}

package kube

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/test/cluster"
)

// The example is kubectl's own: kubectl/pkg/cmd/apply computes the same ID.
func TestApplySetID(t *testing.T) {
	id := applySetID("a.b")
	if !strings.HasPrefix(id, "applyset-") || !strings.HasSuffix(id, "-v1") || len(id) != len("applyset-")+43+len("-v1") {
		t.Errorf("ID %q: want applyset-<43 characters>-v1", id)
	}
}

func TestParentNamesKeepOwnersApart(t *testing.T) {
	owners := []state.Owner{
		{Agent: "a", Sync: "b"}, {Agent: "a", Sync: "b.c"}, {Agent: "a.b", Sync: "c"}, {Agent: "A", Sync: "b"},
		{Agent: "a", Sync: "B"}, {Agent: "a", Sync: strings.Repeat("x", 300)}, {Agent: "a", Sync: strings.Repeat("x", 301)},
		{Agent: "a", Sync: ""}, {Agent: "", Sync: "a"}, {Agent: "ä", Sync: "ö"}, {Agent: "ö", Sync: "ä"},
	}
	seen := map[string]state.Owner{}
	for _, who := range owners {
		name := parentName(who)
		if other, twice := seen[name]; twice {
			t.Errorf("%v and %v are both named %q", who, other, name)
		}
		seen[name] = who
		if len(name) > 253 || !objectName.MatchString(name) {
			t.Errorf("%v: %q is no object's name", who, name)
		}
	}
}

func (b *bench) parent() (annotations map[string]string, there bool) {
	b.t.Helper()
	got, err := b.server.Do(b.ctx(), "GET", "/api/v1/namespaces/setpoint-system/configmaps/"+parentName(b.owner), nil)
	if cluster.IsStatus(err, 404) {
		return nil, false
	}
	if err != nil {
		b.t.Fatal(err)
	}
	var object struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
			Labels      map[string]string `json:"labels"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(got, &object); err != nil {
		b.t.Fatal(err)
	}
	if object.Metadata.Labels[labelID] != applySetID(parentName(b.owner)) {
		b.t.Errorf("the parent's ID label: %v", object.Metadata.Labels)
	}
	return object.Metadata.Annotations, true
}

func TestParentLivesAsLongAsItsMembers(t *testing.T) {
	b := newBench(t)
	a, s := b.configMap("a", "1"), b.object(fmt.Sprintf(service, b.namespace))
	b.settle(a, s)
	notes, there := b.parent()
	if !there || notes[annotationKinds] != "ConfigMap,Service" || notes[annotationNamespaces] != b.namespace ||
		notes[annotationOwner] != b.owner.String() || !strings.HasPrefix(notes[annotationTooling], "setpoint/") {
		t.Fatalf("parent = %v", notes)
	}
	b.settle(a)
	if notes, _ = b.parent(); notes[annotationKinds] != "ConfigMap" {
		t.Errorf("after the last Service: %v", notes)
	}
	b.settle()
	if notes, there := b.parent(); there {
		t.Errorf("after the last member: %v", notes)
	}
}

func TestInventoryIsReadBackFromTheCluster(t *testing.T) {
	b := newBench(t)
	a, s := b.configMap("a", "1"), b.object(fmt.Sprintf(service, b.namespace))
	b.settle(a, s)
	b.target = b.connect(Config{})
	ids, err := b.target.Owned(b.ctx(), b.owner)
	if err != nil || len(ids) != 2 {
		t.Fatalf("Owned = %v, %v", ids, err)
	}
	b.target = b.connect(Config{})
	if entry := b.entry(wantOf(a), s.ID()); entry.Op != diff.Delete {
		t.Errorf("a kind that is no longer declared: %+v", entry)
	}
}

func TestDeletedParentIsWrittenAgain(t *testing.T) {
	b := newBench(t)
	a := b.configMap("a", "1")
	b.settle(a)
	go func() { _ = b.target.Watch(b.ctx(), b.owner, func(target.Event) {}) }()
	b.do("DELETE", "/api/v1/namespaces/setpoint-system/configmaps/"+parentName(b.owner), "")
	b.eventually("the parent is there again", func() bool {
		notes, there := b.parent()
		return there && notes[annotationKinds] == "ConfigMap"
	})
}

func TestParentDeletedWhileNobodyLooked(t *testing.T) {
	b := newBench(t)
	a := b.configMap("a", "1")
	b.settle(a)
	b.do("DELETE", "/api/v1/namespaces/setpoint-system/configmaps/"+parentName(b.owner), "")
	b.target = b.connect(Config{})
	go func() { _ = b.target.Watch(b.ctx(), b.owner, func(target.Event) {}) }()
	b.eventually("the parent is there again", func() bool {
		b.compare(wantOf(a))
		_, there := b.parent()
		return there
	})
}

func TestAnotherOwnersObjectIsRefusedAtApply(t *testing.T) {
	b := newBench(t)
	a := b.configMap("a", "1")
	b.settle(a)
	other := *b
	other.owner.Sync += "-other"
	other.target = b.connect(Config{})
	// Straight to Apply, as if the comparison had been a moment too early; and with a value of its own.
	for _, op := range []diff.Op{diff.Create, diff.Update} {
		other.compare(wantOf(b.configMap("b", "1")))
		result := other.carryOut([]plan.Step{{ID: a.ID(), Op: op, Want: b.configMap("a", "2")}})[a.ID()]
		if fault.KindOf(result.Err) != fault.Conflict || !strings.Contains(result.Err.Error(), b.owner.Sync) {
			t.Errorf("%s: %+v", op, result)
		}
	}
}

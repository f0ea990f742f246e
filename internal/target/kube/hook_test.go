package kube

import (
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func (b *bench) job(run string) *state.Object {
	b.t.Helper()
	return b.object(`{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"migrate","namespace":"` + b.namespace +
		`","annotations":{"setpoint.dev/hook-run":"` + run + `"}},"spec":{"backoffLimit":0,"template":{"spec":{"restartPolicy":"Never",
"containers":[{"name":"main","image":"migrate:1"}]}}}}`)
}

func (b *bench) pods() []string {
	b.t.Helper()
	var names []string
	for _, item := range b.get(b.path("/pods")).list("items") {
		fields, _ := item.(map[string]any)
		names = append(names, view{fields}.text("metadata", "name"))
	}
	return names
}

// finish plays the kubelet: the Job's only Pod ends.
func (b *bench) finish(phase string) {
	b.t.Helper()
	b.eventually("the Job has its Pod", func() bool { return len(b.pods()) == 1 })
	b.do("PATCH", b.path("/pods/"+b.pods()[0]+"/status?fieldManager=kubelet&force=true"),
		`{"apiVersion":"v1","kind":"Pod","status":{"phase":"`+phase+`"}}`)
}

// A hook is a Job that runs anew for each revision, and is deleted when it is done although it stays declared.
func TestJobRunsAnewAndGoes(t *testing.T) {
	b := newBench(t)
	first, second := b.job("1"), b.job("2")
	path := "/apis/batch/v1/namespaces/" + b.namespace + "/jobs/migrate"
	health := func(of *state.Object) state.Health { return b.entry(wantOf(of), of.ID()).Health }
	b.settle(first)
	b.finish("Failed")
	b.eventually("the Job has failed", func() bool { return health(first).Final })
	uid, before := b.uid(path), b.pods()

	entry := b.entry(wantOf(second), second.ID())
	if entry.Op != diff.Update || len(entry.Fields) != 1 || !strings.Contains(entry.Fields[0].Path, "hook-run") {
		t.Fatalf("the next run: %+v, want the annotation to differ", entry)
	}
	result := b.carryOut([]plan.Step{{ID: second.ID(), Op: diff.Replace, Want: second}})[second.ID()]
	if result.Err != nil || !result.Changed {
		t.Fatalf("replaced: %+v", result)
	}
	if b.uid(path) == uid {
		t.Fatal("it is the same Job")
	}
	entry = b.entry(wantOf(second), second.ID())
	if entry.Op != diff.None || entry.Lost || entry.Health.Status == state.Degraded || entry.Health.Final {
		t.Errorf("after it was replaced: %+v, want nothing of the failure before", entry)
	}
	b.eventually("the first run's Pod is gone and another has come", func() bool {
		pods := b.pods()
		return len(pods) == 1 && pods[0] != before[0]
	})
	b.finish("Succeeded")
	b.eventually("the second run has succeeded", func() bool { return health(second).Ready() })

	result = b.carryOut([]plan.Step{{ID: second.ID(), Op: diff.Delete}})[second.ID()]
	if result.Err != nil || !result.Changed {
		t.Fatalf("deleted: %+v", result)
	}
	b.eventually("its Pods are gone", func() bool { return len(b.pods()) == 0 })
	b.eventually("it is gone", func() bool { return b.entry(wantOf(second), second.ID()).Op == diff.Create })
	if entry := b.entry(wantOf(second), second.ID()); entry.Lost {
		t.Errorf("we deleted it, nobody else: %+v", entry)
	}

	third := b.job("3")
	b.settle(third)
	b.do("DELETE", path+"?propagationPolicy=Background", "")
	b.eventually("what others delete is missed as ever", func() bool { return b.entry(wantOf(third), third.ID()).Lost })

	b.do("POST", "/apis/batch/v1/namespaces/"+b.namespace+"/jobs", `{"metadata":{"name":"migrate"},"spec":{"template":{"spec":{
"restartPolicy":"Never","containers":[{"name":"main","image":"migrate:0"}]}}}}`)
	uid = b.uid(path)
	fourth := b.job("4")
	result = b.carryOut([]plan.Step{{ID: fourth.ID(), Op: diff.Replace, Want: fourth}})[fourth.ID()]
	if result.Err != nil || b.uid(path) == uid {
		t.Errorf("what somebody has run by hand is in the way: %+v", result)
	}
}

// A finalizer makes the deletion last, so that it ends long after our request.
func TestOurOwnDeletionIsNoLoss(t *testing.T) {
	b := newBench(t)
	held := b.object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"held","namespace":"` + b.namespace +
		`","finalizers":["example.com/hold"]}}`)
	b.settle(held)
	if r := b.carryOut([]plan.Step{{ID: held.ID(), Op: diff.Delete}})[held.ID()]; r.Err != nil {
		t.Fatal(r.Err)
	}
	if entry := b.entry(wantOf(held), held.ID()); !entry.Terminating {
		t.Fatalf("entry = %+v, want it on its way out", entry)
	}
	patched := b.get(b.path("/configmaps/held")).content
	delete(patched["metadata"].(map[string]any), "finalizers")
	b.put(b.path("/configmaps/held"), patched)
	b.eventually("it is gone", func() bool { return b.entry(wantOf(held), held.ID()).Op == diff.Create })
	if entry := b.entry(wantOf(held), held.ID()); entry.Lost {
		t.Errorf("entry = %+v: we deleted it, nobody else", entry)
	}
}

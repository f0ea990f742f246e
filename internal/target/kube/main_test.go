package kube

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/test/cluster"
)

func TestMain(m *testing.M) {
	os.Exit(cluster.Main(m, cluster.Options{ControllerManager: true, Audit: true}))
}

const patience = 30 * time.Second

// bench is one owner's use of the shared cluster, in a namespace of its own.
type bench struct {
	t         *testing.T
	server    *cluster.Cluster
	target    *Target
	owner     state.Owner
	namespace string
}

var benches atomic.Int64

func newBench(t *testing.T) *bench {
	t.Helper()
	return benchOn(t, cluster.Shared(t))
}

func benchOn(t *testing.T, server *cluster.Cluster) *bench {
	t.Helper()
	b := &bench{t: t, server: server, namespace: fmt.Sprintf("kube-%d", benches.Add(1))}
	b.owner = state.Owner{Agent: "test", Sync: b.namespace}
	b.do("POST", "/api/v1/namespaces", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"`+b.namespace+`"}}`)
	b.target = b.connect(Config{})
	return b
}

func (b *bench) connect(cfg Config) *Target {
	b.t.Helper()
	if cfg.Kubeconfig == "" {
		cfg.Kubeconfig = b.server.Kubeconfig()
	}
	if cfg.Namespace == "" {
		cfg.Namespace = b.namespace
	}
	made, err := Connect(b.ctx(), cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(made.Close)
	return made
}

// ctx gives a context that ends long after anything that works.
func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	b.t.Cleanup(cancel)
	return ctx
}

// do acts on the cluster as somebody else.
func (b *bench) do(method, path, body string) []byte {
	b.t.Helper()
	got, err := b.server.Do(b.ctx(), method, path, []byte(body))
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

func (b *bench) path(suffix string) string { return "/api/v1/namespaces/" + b.namespace + suffix }

// object declares an object from JSON.
func (b *bench) object(text string) *state.Object {
	b.t.Helper()
	o, err := state.DecodeObject([]byte(text), state.Origin{File: "test.yaml", Line: 1})
	if err != nil {
		b.t.Fatal(err)
	}
	return o
}

func (b *bench) configMap(name, value string) *state.Object {
	b.t.Helper()
	return b.object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"` + name + `","namespace":"` + b.namespace +
		`"},"data":{"value":"` + value + `"}}`)
}

func (b *bench) compare(query target.Query) map[state.ID]diff.Entry {
	b.t.Helper()
	query.Owner = b.owner
	report, err := b.target.Compare(b.ctx(), query)
	if err != nil {
		b.t.Fatal(err)
	}
	entries := map[state.ID]diff.Entry{}
	for _, entry := range report.Entries {
		entries[entry.ID] = entry
	}
	return entries
}

func (b *bench) entry(query target.Query, id state.ID) diff.Entry {
	b.t.Helper()
	entry, ok := b.compare(query)[id]
	if !ok {
		b.t.Fatalf("no entry of %s", id)
	}
	return entry
}

// apply carries out what a comparison found, and gives the results.
func (b *bench) apply(query target.Query) map[state.ID]target.Result {
	b.t.Helper()
	var steps []plan.Step
	for _, entry := range b.compare(query) {
		if entry.Op != diff.None && entry.Err == nil && !entry.Terminating && !entry.Keep {
			steps = append(steps, plan.Step{
				ID: entry.ID, Op: entry.Op, Want: entry.Want, Fields: entry.Fields, Ignore: query.Ignore,
			})
		}
	}
	return b.carryOut(steps)
}

func (b *bench) carryOut(steps []plan.Step) map[state.ID]target.Result {
	b.t.Helper()
	results := map[state.ID]target.Result{}
	err := b.target.Apply(b.ctx(), b.owner, steps, func(r target.Result) { results[r.ID] = r })
	if err != nil {
		b.t.Fatal(err)
	}
	return results
}

// settle applies and fails on any error.
func (b *bench) settle(objects ...*state.Object) map[state.ID]target.Result {
	b.t.Helper()
	results := b.apply(wantOf(objects...))
	for id, result := range results {
		if result.Err != nil {
			b.t.Fatalf("%s: %v", id, result.Err)
		}
	}
	return results
}

func (b *bench) eventually(what string, done func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if done() {
			return
		}
	}
	b.t.Fatalf("waited in vain for: %s", what)
}

func (b *bench) requests(since time.Time, match func(cluster.AuditEvent) bool) []string {
	b.t.Helper()
	time.Sleep(50 * time.Millisecond) // the audit log is a moment behind
	events, err := b.server.AuditEvents(since)
	if err != nil {
		b.t.Fatal(err)
	}
	var found []string
	for _, e := range events {
		if strings.HasPrefix(e.UserAgent, "setpoint/") && match(e) {
			found = append(found, e.Verb+" "+e.RequestURI)
		}
	}
	return found
}

func wantOf(objects ...*state.Object) target.Query {
	set, _ := state.NewSet(objects)
	return target.Query{Want: set}
}

package kube

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	kjson "k8s.io/apimachinery/pkg/util/json"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// verdict is the outcome of comparing one desired object with one state of the actual one. It is immutable.
type verdict struct {
	want   state.Digest
	ignore string
	hash   uint64 // of the actual object
	fields []diff.Field
	// doubtful says that the fields may differ only in how the server writes the same value.
	doubtful bool
	// accepted are differences that the server itself has made of what we applied (a default, another notation), by path, each
	// with both values. They stay no difference while neither value changes.
	accepted map[string]string
}

func (v *verdict) fits(w *wanted, l *live, ignore []string) bool {
	return v.hash == l.hash && v.want == w.object.Digest() && v.ignore == strings.Join(ignore, "\n")
}

// ignored gives the paths of an object that are left to others.
func (c *comparison) ignored(w *wanted) []string {
	return ignoredPaths(c.query.Ignore, w.declared, w.id)
}

func ignoredPaths(rules []diff.Ignore, declared, id state.ID) []string {
	var paths []string
	for _, rule := range rules {
		if rule.Matches(declared) || rule.Matches(id) {
			paths = append(paths, rule.Fields...)
		}
	}
	return paths
}

// judge compares an object of ours with what is desired. before is the last verdict on it, or nil.
func (c *comparison) judge(ctx context.Context, w *wanted, l *live, before *verdict) *verdict {
	ignore := c.ignored(w)
	v := &verdict{want: w.object.Digest(), ignore: strings.Join(ignore, "\n"), hash: l.hash}
	fields := c.differences(ctx, w, l)
	if before != nil {
		v.accepted = before.accepted
		fields = slices.DeleteFunc(fields, func(f diff.Field) bool {
			both, known := before.accepted[f.Path]
			return known && both == bothValues(f)
		})
	}
	v.fields = fields
	v.doubtful = before == nil && len(fields) > 0
	return v
}

func bothValues(f diff.Field) string { return f.Old + "\x00" + f.New }

// differences gives the fields in which an actual object is not what is desired, each with who is to blame: declared fields with
// another value, and fields that we applied once but that are no longer declared.
func (c *comparison) differences(ctx context.Context, w *wanted, l *live) []diff.Field {
	content := l.object()
	applied := c.applied(w, c.owner)
	options := diff.Options{
		Ignore: c.ignored(w), Redact: c.cluster.redact, Owns: l.owners.owns(c.cluster.cfg.FieldManager), Marks: diff.MarksOf(w.object),
	}
	fields := diff.Compare(applied, content, options)
	// Which lists have keys, which strings are quantities, and which maps are replaced as a whole (a selector, to which a further
	// key is a change) is worth knowing when something differs, or somebody else has written to the object.
	if len(fields) > 0 || l.owners.shared(c.cluster.cfg.FieldManager) {
		options.Shape = c.cluster.schemas.shapes(ctx, w.resource.gvk())
		fields = diff.Compare(applied, content, options)
	}
	if gone := l.owners.abandoned(applied, c.cluster.cfg.FieldManager); len(gone) > 0 {
		fields = append(fields, removals(gone, applied, content, options)...)
		slices.SortStableFunc(fields, func(a, b diff.Field) int { return strings.Compare(a.Path, b.Path) })
	}
	l.owners.blame(fields, c.cluster.cfg.FieldManager)
	return fields
}

// removals makes fields of paths that are to go, with their values where they are simple.
func removals(gone []string, applied, content map[string]any, options diff.Options) []diff.Field {
	values := map[string]string{}
	for _, f := range diff.Compare(content, applied, options) {
		values[f.Path] = f.New // compared the other way round, so that ignored fields are left out and secrets hidden
	}
	var fields []diff.Field
	for _, path := range gone {
		old, found := values[path]
		for other := range values {
			found = found || isBelow(other, path)
		}
		if found {
			fields = append(fields, diff.Field{Path: path, Old: old})
		}
	}
	return fields
}

// settle asks the server, by a dry-run of the same apply, whether doubtful differences are real, and makes the verdict.
func (c *comparison) settle(ctx context.Context, w *wanted, l *live, v *verdict) (*verdict, error) {
	body, err := c.body(ctx, c.task(w), l)
	if err != nil {
		return v, err
	}
	got, err := c.client.do(ctx, c.patch(patchRequest{wanted: w, body: body, force: true, dryRun: true, lane: c.owner.partOf}))
	if err != nil {
		return v, err
	}
	after, err := parseLive(got.body, w.resource, c.cluster.cfg.FieldManager)
	if err != nil {
		return v, err
	}
	settled := *v
	settled.doubtful = false
	remaining := diff.Compare(after.object(), l.object(), diff.Options{Redact: c.cluster.redact})
	settled.fields, settled.accepted = nil, map[string]string{}
	for _, f := range v.fields {
		if f.New == "" || slices.ContainsFunc(remaining, func(r diff.Field) bool { return related(r.Path, f.Path) }) {
			settled.fields = append(settled.fields, f)
		} else {
			settled.accepted[f.Path] = bothValues(f)
		}
	}
	return &settled, nil
}

func related(a, b string) bool { return a == b || isBelow(a, b) || isBelow(b, a) }

// applied gives a desired object exactly as it is sent: in its namespace, with our label, without what the server keeps for
// itself. It shares what it does not change with the declaration.
func (t *Target) applied(w *wanted, o *owner) map[string]any {
	content := make(map[string]any, len(w.object.Content()))
	for key, value := range w.object.Content() {
		if key != "status" || !w.resource.status {
			content[key] = value
		}
	}
	declared, _ := content["metadata"].(map[string]any)
	metadata := make(map[string]any, len(declared)+2)
	for key, value := range declared {
		switch key {
		case "managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink", "deletionTimestamp":
		default:
			metadata[key] = value
		}
	}
	if w.resource.namespaced {
		metadata["namespace"] = w.id.Namespace
	}
	before, _ := metadata["labels"].(map[string]any)
	labels := make(map[string]any, len(before)+1)
	maps.Copy(labels, before)
	labels[labelPartOf] = o.partOf
	metadata["labels"] = labels
	content["metadata"] = metadata
	return content
}

// accept makes the verdict on an object that has just been applied: whatever differs still is the server's way of writing it.
func (t *Target) accept(w *wanted, o *owner, l *live, ignore []string) {
	c := &comparison{Target: t, owner: o}
	for _, path := range ignore {
		c.query.Ignore = append(c.query.Ignore, diff.Ignore{Fields: []string{path}})
	}
	v := &verdict{want: w.object.Digest(), ignore: strings.Join(ignore, "\n"), hash: l.hash}
	for _, f := range c.differences(context.Background(), w, l) {
		if v.accepted == nil {
			v.accepted = map[string]string{}
		}
		v.accepted[f.Path] = bothValues(f)
	}
	w.verdict.Store(v)
}

// terminatingHealth says what a deletion waits for.
func terminatingHealth(l *live) state.Health {
	var object struct {
		Metadata struct {
			Finalizers []string `json:"finalizers"`
			Deleted    string   `json:"deletionTimestamp"`
		} `json:"metadata"`
	}
	health := state.Health{Status: state.Progressing, Reason: "Terminating", Message: "it is being deleted"}
	if kjson.Unmarshal(l.content, &object) != nil || len(object.Metadata.Finalizers) == 0 {
		return health
	}
	health.Message = "it is being deleted, and waits for its finalizers: " + strings.Join(object.Metadata.Finalizers, ", ")
	if at, err := time.Parse(time.RFC3339, object.Metadata.Deleted); err == nil && time.Since(at) > hangingAfter {
		health.Status, health.Reason = state.Degraded, "DeletionHangs"
	}
	return health
}

// hangingAfter is when a deletion that waits for finalizers is no longer taken for normal.
const hangingAfter = 2 * time.Minute

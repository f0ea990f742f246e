package kube

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/test/tools"
)

// helm runs the real helm command in the bench's namespace.
func (b *bench) helm(arguments ...string) string {
	b.t.Helper()
	command := exec.CommandContext(b.ctx(), tools.Path(b.t, "helm"), append(arguments, "--namespace", b.namespace)...)
	home := b.t.TempDir()
	command.Env = []string{
		"KUBECONFIG=" + b.server.Kubeconfig(), "HOME=" + home, "HELM_CACHE_HOME=" + home, "HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home,
	}
	output, err := command.CombinedOutput()
	if err != nil {
		b.t.Fatalf("helm %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
	return string(output)
}

// history gives helm's history of a release, as "1 superseded Install complete; ...".
func (b *bench) history(release string) string {
	b.t.Helper()
	var list []struct {
		Revision            int
		Status, Description string
	}
	if err := json.Unmarshal([]byte(b.helm("history", release, "-o", "json")), &list); err != nil {
		b.t.Fatal(err)
	}
	lines := make([]string, len(list))
	for i, one := range list {
		lines[i] = fmt.Sprintf("%d %s %s", one.Revision, one.Status, one.Description)
	}
	return strings.Join(lines, "; ")
}

// releaseOf is a release as the renderer makes it: with the manifest of the objects.
func (b *bench) releaseOf(version string, objects ...*state.Object) ReleaseData {
	b.t.Helper()
	var manifest strings.Builder
	for _, object := range objects {
		text, err := object.MarshalJSON()
		if err != nil {
			b.t.Fatal(err)
		}
		manifest.WriteString("---\n" + string(text) + "\n")
	}
	data := textJSON(map[string]any{
		"name": "web", "chart": map[string]any{
			"metadata":  map[string]any{"name": "small", "version": version, "apiVersion": "v2", "appVersion": "9"},
			"templates": []any{}, "values": map[string]any{"greeting": "hello"},
		},
		"config": map[string]any{"colour": "blue"}, "manifest": manifest.String(), "info": map[string]any{"notes": "Well done."},
	})
	return ReleaseData{Name: "web", Namespace: b.namespace, History: 4, Data: data}
}

// record puts a release on record.
func (b *bench) record(digest string, change func(*RecordRequest)) Recorded {
	b.t.Helper()
	request := RecordRequest{Owner: b.owner, Release: b.releaseOf("1.0.0"), Digest: state.Digest(digest), Revision: "main@1a2b3c4"}
	if change != nil {
		change(&request)
	}
	recorded, err := b.target.Record(b.ctx(), request)
	if err != nil {
		b.t.Fatal(err)
	}
	return recorded
}

func (b *bench) wantHistory(want ...string) {
	b.t.Helper()
	if got := b.history("web"); got != strings.Join(want, "; ") {
		b.t.Errorf("history:\n%s\nwant\n%s", strings.ReplaceAll(got, "; ", "\n"), strings.Join(want, "\n"))
	}
}

func TestHelmReadsRecords(t *testing.T) {
	b := newBench(t)
	object := b.configMap("web", "1")
	first := b.releaseOf("1.0.0", object)
	withFirst := func(r *RecordRequest) { r.Release = first }
	if got := b.record("d1", withFirst); got.Version != 1 || !got.Written || got.Left != nil {
		t.Errorf("the first: %+v", got)
	}
	if got := b.record("d1", withFirst); got.Version != 1 || got.Written {
		t.Errorf("again: %+v", got)
	}
	b.wantHistory("1 deployed Install complete (Setpoint, main@1a2b3c4)")
	for _, look := range []struct{ command, want string }{
		{"list", "small-1.0.0"}, {"get values web", "colour: blue"}, {"get values web --all", "greeting: hello"},
		{"get manifest web", `"name":"web"`}, {"get notes web", "Well done."}, {"status web", "STATUS: deployed"}, {"get metadata web", "VERSION: 1.0.0"},
	} {
		if got := b.helm(strings.Fields(look.command)...); !strings.Contains(got, look.want) {
			t.Errorf("helm %s:\n%s\nwithout %s", look.command, got, look.want)
		}
	}
	b.record("d2", func(r *RecordRequest) { r.Release = b.releaseOf("1.1.0", object) })
	b.record("d3", func(r *RecordRequest) { r.Failed = "it does not start" })
	b.record("d1", func(r *RecordRequest) { r.RolledBack, r.Release.Data = true, nil })
	b.wantHistory("1 superseded Install complete (Setpoint, main@1a2b3c4)", "2 superseded Upgrade complete (Setpoint, main@1a2b3c4)",
		"3 failed Upgrade failed (Setpoint, main@1a2b3c4): it does not start", "4 deployed Rollback to 1 (Setpoint, main@1a2b3c4)")
	if got := b.helm("get", "manifest", "web"); !strings.Contains(got, `"name":"web"`) {
		t.Errorf("what was gone back to: %s", got)
	}
	b.record("d5", nil) // the history is four long
	b.wantHistory("2 superseded Upgrade complete (Setpoint, main@1a2b3c4)",
		"3 failed Upgrade failed (Setpoint, main@1a2b3c4): it does not start", "4 superseded Rollback to 1 (Setpoint, main@1a2b3c4)",
		"5 deployed Upgrade complete (Setpoint, main@1a2b3c4)")
	request := RecordRequest{Owner: b.owner, Release: ReleaseData{Name: "web", Namespace: b.namespace}, Digest: "d9"}
	if _, err := b.target.Record(b.ctx(), request); fault.KindOf(err) != fault.NotFound {
		t.Errorf("back to what is not on record: %v", err)
	}
	if removed, err := b.target.RemoveRecords(b.ctx(), b.owner, b.namespace, "web"); err != nil || removed != 4 {
		t.Errorf("removed %d: %v", removed, err)
	}
	if got := b.helm("list", "-q"); strings.TrimSpace(got) != "" {
		t.Errorf("still listed: %s", got)
	}
}

// The server and helm take the largest record that is written.
func TestLargestRecord(t *testing.T) {
	b := newBench(t)
	for files, left := range map[int]string{765_000: "", 1 << 20: "the chart's files"} {
		content, err := parseRelease(b.releaseOf("1.0.0").Data)
		if err != nil {
			t.Fatal(err)
		}
		chart := content.member("chart")
		chart["files"] = textJSON([]any{map[string]any{"name": "noise", "data": noise(files)}})
		data := textJSON(content.with("chart", chart))
		recorded := b.record(fmt.Sprint("d", files), func(r *RecordRequest) { r.Release.Data = data })
		if got := strings.Join(recorded.Left, ", "); got != left {
			t.Errorf("%d bytes of files: without %q", files, got)
		}
		if got := b.helm("get", "values", "web"); !strings.Contains(got, "colour: blue") {
			t.Errorf("%d bytes of files: %s", files, got)
		}
	}
}

const smallTemplates = `apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {kept: "1", dropped: "1", other: "1"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
`

// smallChart writes a chart for the helm command.
func smallChart(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: small\nversion: 1.0.0\n", "templates/all.yaml": smallTemplates,
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A release of helm's is gone on with: the same objects, the same numbering, and what helm had set and nobody declares goes.
func TestReleaseOfHelmIsAdopted(t *testing.T) {
	for _, serverSide := range []string{"--server-side=true", "--server-side=false"} { // as versions 4 and 3 of helm do
		b := newBench(t)
		b.helm("install", "web", smallChart(t), serverSide, "--labels", "team=blue")
		before := b.get(b.path("/configmaps/web"))
		want := []*state.Object{
			b.object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"` + b.namespace + `"},"data":{"kept":"1","other":"2"}}`),
			b.object(`{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"` + b.namespace +
				`"},"spec":{"selector":{"app":"web"},"ports":[{"port":80}]}}`),
		}
		b.target.Continues(b.owner, b.namespace, "web")
		results := b.settle(want...)
		result := results[want[0].ID()]
		if !result.Adopted || !strings.Contains(strings.Join(result.TookOver, " "), "helm: /data") {
			t.Errorf("%s: %+v", serverSide, result)
		}
		after := b.get(b.path("/configmaps/web"))
		if uid := before.text("metadata", "uid"); uid == "" || after.text("metadata", "uid") != uid {
			t.Errorf("%s: another object", serverSide)
		}
		if data := textJSON(after.content["data"]); string(data) != `{"kept":"1","other":"2"}` {
			t.Errorf("%s: %s", serverSide, data)
		}
		if after.text("metadata", "annotations", annotationReleaseName) != "web" || after.text("metadata", "labels", labelManagedBy) != "Helm" {
			t.Errorf("%s: helm does not know its object any more: %v", serverSide, after.content["metadata"])
		}
		b.eventually("nothing differs", func() bool {
			for _, entry := range b.compare(wantOf(want...)) {
				if entry.Op != diff.None || entry.Err != nil {
					return false
				}
			}
			return true
		})
		b.record("d1", func(r *RecordRequest) { r.Release = b.releaseOf("1.1.0", want...) })
		b.wantHistory("1 superseded Install complete", "2 deployed Upgrade complete (Setpoint, main@1a2b3c4)")
		if labels := b.get(b.path("/secrets/sh.helm.release.v1.web.v2")); labels.text("metadata", "labels", "team") != "blue" {
			t.Errorf("%s: the release's own labels: %v", serverSide, labels.content["metadata"])
		}
		b.helmGoesOn()
	}
}

// helmGoesOn: a person takes the release back with helm, and Setpoint records once more; then the Sync goes.
func (b *bench) helmGoesOn() {
	b.t.Helper()
	b.helm("rollback", "web", "1", "--server-side=true", "--force-conflicts")
	if removed, err := b.target.RemoveRecords(b.ctx(), b.owner, b.namespace, "web"); removed != 0 || err != nil {
		b.t.Errorf("removed %d records of a release that helm has gone on with: %v", removed, err)
	}
	if got := b.record("d1", nil); got.Version != 4 || !got.Written {
		b.t.Errorf("after helm: %+v", got)
	}
	stranger := RecordRequest{Owner: state.Owner{Agent: "test", Sync: "stranger"}, Release: b.releaseOf("1.0.0"), Digest: "d7"}
	if _, err := b.target.Record(b.ctx(), stranger); fault.KindOf(err) != fault.Conflict {
		b.t.Errorf("another owner's record: %v", err)
	}
	if removed, err := b.target.RemoveRecords(b.ctx(), b.owner, b.namespace, "web"); removed != 4 || err != nil {
		b.t.Errorf("removed %d: %v", removed, err)
	}
}

func TestRecordsNeedRights(t *testing.T) {
	b := newBench(t)
	acting, err := b.target.cluster.As(b.namespace+"/deployer", b.namespace)
	if err != nil {
		t.Fatal(err)
	}
	b.target = acting
	request := RecordRequest{Owner: b.owner, Release: b.releaseOf("1.0.0"), Digest: "d1"}
	refused := func(verb string) {
		t.Helper()
		_, err := acting.Record(b.ctx(), request)
		if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "may not "+verb+" secrets") || fault.HintOf(err) == "" {
			t.Errorf("without the right to %s: %v", verb, err)
		}
	}
	user := "system:serviceaccount:" + b.namespace + ":deployer"
	refused("list")
	b.allow(user, b.namespace, `{"apiGroups":[""],"resources":["secrets"],"verbs":["list"]}`)
	b.eventually("the right to list", func() bool {
		_, err := acting.Record(b.ctx(), request)
		return err != nil && !strings.Contains(err.Error(), "list")
	})
	refused("create")
	b.allow(user, b.namespace, `{"apiGroups":[""],"resources":["secrets"],"verbs":["create"]}`)
	b.eventually("the rights that a first record needs", func() bool {
		_, err := acting.Record(b.ctx(), request)
		return err == nil
	})
	for name, wrong := range map[string]ReleaseData{
		"name": {Name: "Web", Namespace: b.namespace}, "long": {Name: strings.Repeat("w", 54), Namespace: b.namespace}, "place": {Name: "web", Namespace: "../x"},
	} {
		if _, err := acting.Record(b.ctx(), RecordRequest{Owner: b.owner, Release: wrong}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

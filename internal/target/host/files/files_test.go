package files_test

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func TestCreate(t *testing.T) {
	h := newHost(t)
	all := []*state.Object{
		directory("conf", "/etc/app"), file("app", "/etc/app/app.conf", "port = 80\n"), link("current", "/etc/app/current", "app.conf"),
		object(v1alpha1.KindFile, "bytes", spec{"path": "/etc/app/bytes", "contentBase64": "AAEC/w==", "mode": "0600"}),
		object(v1alpha1.KindFile, "empty", spec{"path": "/etc/app/empty", "mode": "4711"}),
	}
	for _, want := range all {
		entry := h.compare(want)
		if entry.Op != diff.Create || entry.Err != nil || entry.Health.Status != state.Missing || entry.Lost {
			t.Errorf("%s before: %+v", entry.ID, entry)
		}
	}
	if len(h.tree()) > 0 {
		t.Error("comparing changed something")
	}
	for _, want := range all {
		if result := h.put(want); !result.Changed || result.Adopted || !result.Health.Ready() {
			t.Errorf("%+v", result)
		}
		record, _ := h.journal.Get(want.ID())
		if record.Declared != want.Digest() || record.Owner != owner {
			t.Errorf("the journal says %+v", record)
		}
	}
	want := map[string]string{
		"/etc": "-rwxr-xr-x directory", "/etc/app": "-rwxr-xr-x directory", "/etc/app/app.conf": "-rw-r--r-- port = 80\n",
		"/etc/app/current": "link to app.conf", "/etc/app/bytes": "-rw------- \x00\x01\x02\xff", "/etc/app/empty": "-rwx--x--x ",
	}
	if difference := cmp.Diff(want, h.tree()); difference != "" {
		t.Error(difference)
	}
	if info, err := os.Stat(h.path("etc/app/empty")); err != nil || info.Mode()&os.ModeSetuid == 0 {
		t.Errorf("setuid is lost: %v, %v", info.Mode(), err)
	}
	h.restart()
	for _, want := range all {
		h.equal(want)
		if result := h.apply(diff.Update, want); result.Err != nil || result.Changed {
			t.Errorf("applied again: %+v", result)
		}
	}
	for _, want := range slices.Backward(all) {
		if result := h.remove(want); result.Err != nil || !result.Changed {
			t.Errorf("removed: %+v", result)
		}
	}
	if difference := cmp.Diff(map[string]string{}, h.tree()); difference != "" {
		t.Errorf("something is left, also of what was made above: %s", difference)
	}
}

func TestFields(t *testing.T) {
	long := strings.Repeat("a line of text\n", 100)
	conf := object(v1alpha1.KindFile, "app", spec{"path": "/app.conf", "content": "declared", "mode": "0640"})
	for _, c := range []struct {
		name  string
		want  *state.Object
		drift func(h *host)
		field string // path: old → new
	}{
		{"content", conf, func(h *host) { h.must(os.WriteFile(h.path("app.conf"), []byte("tampered"), 0o600)) },
			`/spec/content: "tampered" → "declared"`},
		{"mode", conf, func(h *host) { h.must(os.Chmod(h.path("app.conf"), 0o666)) }, `/spec/mode: "0666" → "0640"`},
		{"a directory", conf, func(h *host) {
			h.must(os.Remove(h.path("app.conf")))
			h.must(os.Mkdir(h.path("app.conf"), 0o700))
		}, `/type: "directory" → "file"`},
		{"a link", conf, func(h *host) {
			h.must(os.Remove(h.path("app.conf")))
			h.must(os.Symlink("/elsewhere", h.path("app.conf")))
		}, `/type: "link to /elsewhere" → "file"`},
		{"the target", link("app", "/app.conf", "there"), func(h *host) {
			h.must(os.Remove(h.path("app.conf")))
			h.must(os.Symlink("elsewhere", h.path("app.conf")))
		}, `/spec/target: "elsewhere" → "there"`},
		{"a file for a directory", directory("app", "/app.conf"), func(h *host) {
			h.must(os.Remove(h.path("app.conf")))
			h.write("app.conf", "")
		}, `/type: "file" → "directory"`},
		{"no text", conf, func(h *host) { h.must(os.WriteFile(h.path("app.conf"), []byte{0, 1, 2}, 0o600)) },
			`/spec/content: "(3 bytes that are no text, sha256:ae4b3280e56e)" → "declared"`},
		{"sensitive", object(v1alpha1.KindFile, "app", spec{"path": "/app.conf", "content": "declared", "sensitive": true}),
			func(h *host) { h.must(os.WriteFile(h.path("app.conf"), []byte("tampered"), 0o600)) },
			`/spec/content: "hmac:c182b0f0" → "hmac:5576d307"`},
		{"marked", object(v1alpha1.KindFile, "app", spec{"path": "/app.conf", "content": "declared"}).WithSecrets([]string{"/spec/content"}),
			func(h *host) { h.must(os.WriteFile(h.path("app.conf"), []byte("tampered"), 0o644)) },
			`/spec/content: "hmac:c182b0f0" → "hmac:5576d307"`},
		{"long", file("app", "/app.conf", long+"declared"),
			func(h *host) { h.must(os.WriteFile(h.path("app.conf"), []byte(long+"tampered"), 0o600)) },
			`/spec/content: "…tampered (1508 bytes, sha256:fc7c238da872)" → "…declared (1508 bytes, sha256:5df14c03e551)"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			h.put(c.want)
			c.drift(h)
			entry := h.compare(c.want)
			if entry.Op != diff.Update || len(entry.Fields) != 1 || entry.Lost || entry.Health.Ready() {
				t.Fatalf("%+v", entry)
			}
			if f := entry.Fields[0]; f.Path+": "+f.Old+" → "+f.New != c.field || f.By != "" {
				t.Errorf("%s: %s → %s, want %s", f.Path, f.Old, f.New, c.field)
			}
			h.put(c.want)
		})
	}
}

// Modes are put right in place: whoever has the file open, or a second name for it, keeps it.
func TestModeIsChangedInPlace(t *testing.T) {
	h := newHost(t)
	want := file("app", "/app.conf", "x")
	h.put(want)
	before, err := os.Stat(h.path("app.conf"))
	h.must(err)
	h.must(os.Chmod(h.path("app.conf"), 0o600))
	h.put(want)
	after, err := os.Stat(h.path("app.conf"))
	h.must(err)
	if !os.SameFile(before, after) {
		t.Error("the file was written anew")
	}
}

func TestLost(t *testing.T) {
	h := newHost(t)
	want := file("app", "/app.conf", "x")
	h.put(want)
	h.must(os.Remove(h.path("app.conf")))
	if entry := h.compare(want); entry.Op != diff.Create || !entry.Lost || entry.Health.Status != state.Missing {
		t.Errorf("%+v", entry)
	}
	h.put(want)
}

// Adoption keeps what was there; removal deletes it or puts it back, as declared, and as declared last.
func TestDeletion(t *testing.T) {
	taken := func(kind, deletion string, more spec) *state.Object {
		s := spec{"path": "/it", "deletion": deletion}
		maps.Copy(s, more)
		return object(kind, "it", s)
	}
	foreignFile := func(h *host) { h.write("it", "theirs"); h.must(os.Chmod(h.path("it"), 0o604)) }
	foreignLink := func(h *host) { h.must(os.Symlink("theirs", h.path("it"))) }
	foreignDir := func(h *host) { h.must(os.Mkdir(h.path("it"), 0o700)); h.must(os.Chmod(h.path("it"), 0o705)) }
	for _, c := range []struct {
		name   string
		before func(h *host)
		want   *state.Object
		during func(h *host)
		after  map[string]string
	}{
		{"a file is removed", foreignFile, taken("File", "remove", spec{"content": "ours"}), nil, map[string]string{}},
		{"a file is restored", foreignFile, taken("File", "restore", spec{"content": "ours"}), nil, map[string]string{"/it": "-rw----r-- theirs"}},
		{"an equal file is restored", foreignFile, taken("File", "restore", spec{"content": "theirs"}), nil,
			map[string]string{"/it": "-rw----r-- theirs"}},
		{"a changed file is restored", foreignFile, taken("File", "restore", spec{"content": "ours"}),
			func(h *host) { h.write("it", "changed") }, map[string]string{"/it": "-rw----r-- theirs"}},
		{"a changed file is removed", func(*host) {}, taken("File", "remove", spec{"content": "ours"}),
			func(h *host) { h.write("it", "changed") }, map[string]string{}},
		{"nothing is restored", func(*host) {}, taken("File", "restore", spec{"content": "ours"}), nil, map[string]string{}},
		{"a link for a file is restored", foreignFile, taken("Link", "restore", spec{"target": "ours"}), nil,
			map[string]string{"/it": "-rw----r-- theirs"}},
		{"a file for a link is restored", foreignLink, taken("File", "restore", spec{"content": "ours"}), nil, map[string]string{"/it": "link to theirs"}},
		{"a file for a directory is restored", foreignDir, taken("File", "restore", spec{"content": "ours"}), nil,
			map[string]string{"/it": "-rwx---r-x directory"}},
		{"a directory is restored", foreignDir, taken("Directory", "restore", spec{}), nil, map[string]string{"/it": "-rwx---r-x directory"}},
		{"a directory for a file is restored", foreignFile, taken("Directory", "restore", spec{}), nil, map[string]string{"/it": "-rw----r-- theirs"}},
		{"a directory that was there stays", foreignDir, taken("Directory", "remove", spec{}), nil, map[string]string{"/it": "-rwxr-xr-x directory"}},
		{"a directory with content stays", func(*host) {}, taken("Directory", "remove", spec{}), func(h *host) { h.write("it/x", "x") },
			map[string]string{"/it": "-rwxr-xr-x directory", "/it/x": "-rw-r--r-- x"}},
		{"what became a directory with content stays", func(*host) {}, taken("File", "remove", spec{}),
			func(h *host) { h.must(os.Remove(h.path("it"))); h.write("it/x", "x") },
			map[string]string{"/it": "-rwxr-xr-x directory", "/it/x": "-rw-r--r-- x"}},
		{"what is gone is gone", foreignFile, taken("File", "remove", spec{}), func(h *host) { h.must(os.Remove(h.path("it"))) },
			map[string]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			c.before(h)
			foreign := len(h.tree()) > 0
			if result := h.put(c.want); result.Adopted != foreign {
				t.Errorf("adopted %v, want %v", result.Adopted, foreign)
			}
			h.restart()
			if c.during != nil {
				c.during(h)
			}
			if result := h.remove(c.want); result.Err != nil {
				t.Fatal(result.Err)
			}
			if difference := cmp.Diff(c.after, h.tree()); difference != "" {
				t.Error(difference)
			}
			if again := h.apply(diff.Delete, c.want); again.Err != nil || again.Changed {
				t.Errorf("deleted again: %+v", again)
			}
		})
	}
}

// What is only said of an object's removal is a change too: nobody could look it up later.
func TestPolicyIsRemembered(t *testing.T) {
	h := newHost(t)
	h.write("it", "theirs")
	h.put(object("File", "it", spec{"path": "/it", "content": "ours"}))
	changed := object("File", "it", spec{"path": "/it", "content": "ours", "deletion": "restore"},
		v1alpha1.AnnotationWave, "3", v1alpha1.AnnotationPrune, "disabled")
	entry := h.compare(changed)
	paths := make([]string, 0, 3)
	for _, field := range entry.Fields {
		paths = append(paths, field.Path)
	}
	want := []string{"/metadata/annotations/setpoint.dev~1prune", "/metadata/annotations/setpoint.dev~1wave", "/spec/deletion"}
	if entry.Op != diff.Update || !entry.Health.Ready() || !slices.Equal(paths, want) {
		t.Errorf("%s, %v, %+v", entry.Op, paths, entry.Health)
	}
	h.put(changed)
	record, _ := h.journal.Get(changed.ID())
	if owned := h.driver.Owned(context.Background(), record); !owned.Keep || owned.Wave != 3 || !owned.Health.Ready() {
		t.Errorf("%+v", owned)
	}
	h.remove(changed)
	if h.content("it") != "theirs" {
		t.Error("it was not restored")
	}
}

func TestPathChanges(t *testing.T) {
	at := func(path string) *state.Object {
		return object("File", "it", spec{"path": path, "content": "ours", "deletion": "restore"})
	}
	h := newHost(t)
	h.write("old", "theirs")
	h.put(at("/old"))
	entry := h.compare(at("/new"))
	if entry.Op != diff.Create || entry.Lost || len(entry.Fields) != 1 || entry.Fields[0].Path != "/spec/path" {
		t.Errorf("%+v", entry)
	}
	h.put(at("/new"))
	if difference := cmp.Diff(map[string]string{"/old": "-rw-r--r-- theirs", "/new": "-rw-r--r-- ours"}, h.tree()); difference != "" {
		t.Error(difference)
	}
	h.put(file("other", "/old", "other")) // the old path is free again
	h.remove(at("/new"))
	if difference := cmp.Diff(map[string]string{"/old": "-rw-r--r-- other"}, h.tree()); difference != "" {
		t.Error(difference)
	}
}

func TestTwoClaimOnePath(t *testing.T) {
	h := newHost(t)
	first, second := file("first", "/it", "1"), link("second", "/it", "2")
	if entry := h.compare(first); entry.Err != nil {
		t.Fatal(entry.Err)
	}
	conflict := func(when string, err error) {
		t.Helper()
		if fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), first.ID().String()) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", when, err)
		}
	}
	conflict("before either is applied", h.compare(second).Err)
	h.put(first)
	conflict("compared", h.compare(second).Err)
	conflict("applied", h.apply(diff.Create, second).Err)
	h.restart()
	conflict("after a restart", h.compare(second).Err)
	other := h.driver.Compare(context.Background(), state.Owner{Agent: "agent", Sync: "other"}, second, recordOf(h, second))
	if conflict("of another Sync", other.Err); !strings.Contains(other.Err.Error(), owner.String()) {
		t.Errorf("%v does not say whose it is", other.Err)
	}
	h.equal(first)
	h.remove(first)
	h.put(second)
}

// A declaration that is renamed hands its path over: nothing is removed in between, and what was there before is still known.
func TestRename(t *testing.T) {
	named := func(name string) *state.Object {
		return object("File", name, spec{"path": "/it", "content": "ours", "deletion": "restore"})
	}
	h := newHost(t)
	h.write("it", "theirs")
	h.put(named("before"))
	h.driver.Owned(context.Background(), recordOf(h, named("before")))
	if result := h.put(named("after")); result.Adopted || result.Changed {
		t.Errorf("%+v", result)
	}
	h.restart()
	if result := h.remove(named("before")); result.Err != nil || result.Changed {
		t.Errorf("%+v", result)
	}
	h.equal(named("after"))
	if h.remove(named("after")); h.content("it") != "theirs" {
		t.Error("what was there before is forgotten")
	}
}

func TestPurge(t *testing.T) {
	h := newHost(t)
	h.write("conf/theirs", "x")
	h.write("conf/deep/tree/x", "x")
	h.write("conf/adopted", "x")
	h.write("conf/sub/managed", "x")
	h.must(os.Symlink("/etc", h.path("conf/link")))
	mine := []*state.Object{file("adopted", "/conf/adopted", "ours"), file("managed", "/conf/sub/managed", "ours")}
	for _, want := range mine {
		h.compare(want) // announced, and not yet applied
	}
	conf := object("Directory", "conf", spec{"path": "/conf", "purge": true})
	entry := h.compare(conf)
	var paths []string
	for _, field := range entry.Fields {
		paths = append(paths, field.Path)
	}
	if want := []string{"/entries/deep", "/entries/link", "/entries/theirs"}; entry.Op != diff.Update || !slices.Equal(paths, want) {
		t.Errorf("%s %v, want %v", entry.Op, paths, want)
	}
	h.put(conf)
	for _, want := range mine {
		if result := h.put(want); !result.Adopted {
			t.Errorf("%s was purged before it was adopted", want.ID())
		}
	}
	h.equal(conf)
	h.write("conf/new/file", "x")
	if entry := h.compare(conf); entry.Op != diff.Update || len(entry.Fields) != 1 {
		t.Errorf("%+v", entry)
	}
	h.put(conf)
	if difference := cmp.Diff(map[string]string{
		"/conf": "-rwxr-xr-x directory", "/conf/adopted": "-rw-r--r-- ours",
		"/conf/sub": "-rwxr-xr-x directory", "/conf/sub/managed": "-rw-r--r-- ours",
	}, h.tree()); difference != "" {
		t.Error(difference)
	}
}

// Directories may be deleted in any order: one that others are in goes after them.
func TestNestedDirectories(t *testing.T) {
	h := newHost(t)
	above, below := directory("above", "/a"), directory("below", "/a/b/c")
	h.put(below)
	if result := h.put(object("Directory", "above", spec{"path": "/a", "mode": "0711"})); result.Adopted {
		t.Error("what was made for another declaration is taken for somebody else's")
	}
	h.driver.Owned(context.Background(), recordOf(h, below))
	if result := h.remove(above); fault.KindOf(result.Err) != fault.Transient {
		t.Errorf("%+v", result)
	}
	if result := h.remove(below); result.Err != nil {
		t.Error(result.Err)
	}
	if result := h.remove(above); result.Err != nil {
		t.Error(result.Err)
	}
	if len(h.tree()) > 0 {
		t.Errorf("%v", h.tree())
	}
}

func TestSweepAtTheStart(t *testing.T) {
	h := newHost(t)
	h.write("etc/.setpoint-XYZ.tmp", "not ours to know")
	h.put(file("it", "/etc/it", "x"))
	h.restart()
	if _, err := os.Stat(h.path("etc/.setpoint-XYZ.tmp")); err == nil {
		t.Error("what a crash left is there still")
	}
}

// What is left to others stays as it is, also in a file that is written anew.
func TestIgnoredFieldsStay(t *testing.T) {
	h := newHost(t)
	want := object("File", "it", spec{"path": "/it", "content": "ours", "mode": "0640"})
	conf := object("Directory", "conf", spec{"path": "/conf", "purge": true})
	apply := func(want *state.Object, fields ...string) {
		t.Helper()
		one := step(diff.Update, want)
		one.Ignore = []diff.Ignore{{Fields: fields}}
		h.must(h.driver.Apply(context.Background(), owner, one).Err)
	}
	apply(want, "/spec/mode", "/spec/content")
	apply(conf, "/entries")
	if difference := cmp.Diff(map[string]string{"/it": "-rw-r----- ours", "/conf": "-rwxr-xr-x directory"}, h.tree()); difference != "" {
		t.Errorf("somebody has to set the first value: %s", difference)
	}
	h.write("it", "theirs")
	h.write("conf/theirs", "x")
	h.write("conf/others", "x")
	h.must(os.Chmod(h.path("it"), 0o666))
	apply(want, "/spec/mode")
	if tree := h.tree(); tree["/it"] != "-rw-rw-rw- ours" {
		t.Errorf("%v", tree)
	}
	h.write("it", "theirs")
	apply(want, "/spec/content")
	apply(conf, "/entries/theirs")
	if difference := cmp.Diff(map[string]string{
		"/it": "-rw-r----- theirs", "/conf": "-rwxr-xr-x directory", "/conf/theirs": "-rw-r--r-- x",
	}, h.tree()); difference != "" {
		t.Error(difference)
	}
}

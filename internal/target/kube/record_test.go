package kube

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

var recordOwner = state.Owner{Agent: "test", Sync: "web"}

// written is a record of ours, helms one of helm's.
func written(version int, status, digest string) record {
	return record{version: version, status: status, labels: map[string]string{
		labelRecordOwner: ownerLabel(recordOwner), labelRecordFor: strconv.Itoa(version), labelRecordDigest: digest,
	}}
}

func helms(version int, status string, at time.Time) record {
	return record{version: version, status: status, at: at}
}

func TestDecideOnRecords(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	copied := written(3, statusDeployed, "d") // by a helm upgrade: it copies the labels
	copied.labels[labelRecordFor] = "2"
	other := written(1, statusDeployed, "d")
	other.labels[labelRecordOwner] = "other.web"
	deployed := RecordRequest{Digest: "d", Release: ReleaseData{History: 3, Data: []byte("{}")}}
	failed, back := deployed, deployed
	failed.Failed = "it does not start"
	back.Release.Data = nil
	left := failed
	left.GoneBackTo = "c"
	for name, test := range map[string]struct {
		request RecordRequest
		all     []record
		want    string // version, + when it is written, superseded, deleted, gone back to
		kind    fault.Kind
	}{
		"the first":                 {request: deployed, want: "1+"},
		"the same":                  {request: deployed, all: []record{written(2, statusDeployed, "d")}, want: "2"},
		"another":                   {request: deployed, all: []record{written(2, statusDeployed, "c")}, want: "3+ superseded 2"},
		"the same after a failure":  {request: deployed, all: []record{written(2, statusFailed, "d")}, want: "3+"},
		"a failure":                 {request: failed, all: []record{written(2, statusDeployed, "c")}, want: "3+"},
		"of what was deployed":      {request: failed, all: []record{written(2, statusDeployed, "d")}, want: "3+"},
		"the same failure":          {request: failed, all: []record{written(2, statusFailed, "d"), written(1, statusDeployed, "c")}, want: "2"},
		"helm's history":            {request: deployed, all: []record{helms(7, statusDeployed, now)}, want: "8+ superseded 7"},
		"after a helm upgrade":      {request: deployed, all: []record{copied, written(2, statusSuperseded, "d")}, want: "4+ superseded 3"},
		"helm at work":              {request: deployed, all: []record{helms(7, "pending-upgrade", now.Add(-time.Minute))}, kind: fault.Transient},
		"helm uninstalling":         {request: deployed, all: []record{helms(7, statusUninstalling, now)}, kind: fault.Transient},
		"helm killed":               {request: deployed, all: []record{helms(7, "pending-upgrade", now.Add(-time.Hour))}, want: "8+"},
		"another owner's":           {request: deployed, all: []record{other}, kind: fault.Conflict},
		"a crash before superseded": {request: deployed, all: []record{written(3, statusDeployed, "d"), written(2, statusDeployed, "c")}, want: "3 superseded 2"},
		"too long": {request: deployed, all: []record{
			written(9, statusDeployed, "c"), written(8, statusSuperseded, "b"), written(7, statusSuperseded, "b"), written(6, statusSuperseded, "b"),
		}, want: "10+ superseded 9 deleted 6 7"},
		"too long, with the deployed one last": {request: failed, all: []record{
			written(9, statusFailed, "a"), written(8, statusFailed, "b"), written(7, statusDeployed, "c"),
		}, want: "10+ deleted 8"},
		"left, and not told of":   {request: left, all: []record{written(2, statusDeployed, "c")}, want: "3+"},
		"left, and told of":       {request: left, all: []record{written(3, statusDeployed, "c"), written(2, statusFailed, "d")}, want: "3"},
		"left, and half told of":  {request: left, all: []record{written(2, statusFailed, "d"), written(1, statusDeployed, "c")}, want: "2"},
		"left for what came next": {request: left, all: []record{written(3, statusDeployed, "e"), written(2, statusFailed, "d")}, want: "4+"},
		"back to what was": {request: back, all: []record{
			written(4, statusDeployed, "c"), written(3, statusFailed, "d"), written(2, statusSuperseded, "d"),
		}, want: "5+ superseded 4 deleted 2 from 2"},
		"back to what is not known": {request: back, all: []record{written(4, statusDeployed, "c")}, want: "5+ superseded 4"},
	} {
		r := &records{who: recordOwner, owner: ownerLabel(recordOwner), namespace: "n", name: "web"}
		change, err := r.decide(test.all, test.request, now)
		if fault.KindOf(err) != test.kind {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && describeChange(change) != test.want {
			t.Errorf("%s: %s, want %s", name, describeChange(change), test.want)
		}
	}
}

func describeChange(change recordChange) string {
	text := strconv.Itoa(change.version)
	if change.write {
		text += "+"
	}
	for _, list := range []struct {
		word    string
		records []record
	}{{" superseded", change.superseded}, {" deleted", change.excess}} {
		if len(list.records) > 0 {
			text += list.word
		}
		for _, one := range list.records {
			text += " " + strconv.Itoa(one.version)
		}
	}
	if change.from.version > 0 {
		text += " from " + strconv.Itoa(change.from.version)
	}
	return text
}

func TestDescriptionOfARecord(t *testing.T) {
	for want, made := range map[string]newRelease{
		"Install complete (Setpoint, main@1a2b3c4)":            {},
		"Upgrade complete (Setpoint, main@1a2b3c4)":            {continues: true},
		"Rollback to 3 (Setpoint, main@1a2b3c4)":               {continues: true, rolledBackTo: 3},
		"Rollback complete (Setpoint, main@1a2b3c4)":           {continues: true, request: RecordRequest{RolledBack: true}},
		"Upgrade failed (Setpoint, main@1a2b3c4): not healthy": {continues: true, request: RecordRequest{Failed: "not healthy"}},
	} {
		made.request.Revision = "main@1a2b3c4"
		if got := made.description(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	long := newRelease{request: RecordRequest{Failed: strings.Repeat("é", 5000)}}.description()
	if len(long) > maxRecordText+3 || !json.Valid(textJSON(long)) {
		t.Errorf("%d bytes", len(long))
	}
}

// noise is text that gzip cannot make small.
func noise(size int) string {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return base64.StdEncoding.EncodeToString(data)
}

// A record keeps what it has room for: what a Secret cannot hold is left out, the dispensable first.
func TestLargeRecords(t *testing.T) {
	sized := func(files, templates, manifest int) newRelease {
		return newRelease{content: releaseContent{
			"chart": textJSON(map[string]any{
				"metadata": map[string]any{"name": "web"}, "values": map[string]any{"a": 1}, "schema": "e30=",
				"files": []any{noise(files)}, "templates": []any{noise(templates)},
			}),
			"manifest": textJSON(noise(manifest)),
		}}
	}
	for name, test := range map[string]struct {
		made newRelease
		left string
		err  bool
	}{
		"small":           {made: sized(10, 10, 10)},
		"large files":     {made: sized(1<<20, 10, 10), left: "the chart's files"},
		"large templates": {made: sized(10, 1<<20, 10), left: "the chart's files, the chart's schema of values, the chart's templates"},
		"large manifest":  {made: sized(10, 10, 1<<20), err: true},
	} {
		text, left, err := test.made.encode()
		if (err != nil) != test.err || !test.err && strings.Join(left, ", ") != test.left {
			t.Errorf("%s: without %q: %v", name, left, err)
			continue
		}
		if content, err := decodeRelease(text); !test.err &&
			(err != nil || len(text) > maxRecord || string(content.member("chart")["values"]) != `{"a":1}`) {
			t.Errorf("%s: %d bytes: %v", name, len(text), err)
		}
	}
}

func TestOwnerLabelsFit(t *testing.T) {
	for _, who := range []state.Owner{recordOwner, {Agent: strings.Repeat("a", 80), Sync: "b"}, {Agent: "A/b", Sync: "c d"}} {
		if label := ownerLabel(who); label == "" || len(label) > 63 || strings.ContainsAny(label, "/ ") {
			t.Errorf("%v: %q", who, label)
		}
	}
}

// FuzzReleases: a record may hold anything. What can be read can be written and read again.
func FuzzReleases(f *testing.F) {
	text, err := encodeRelease(releaseContent{"name": textJSON("web"), "info": textJSON(map[string]string{"status": statusDeployed})})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{text, []byte("e30="), []byte("H4sI"), []byte("bnVsbA=="), []byte("!"), nil} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		content, err := decodeRelease(text)
		if err != nil {
			return
		}
		again, err := encodeRelease(content.with("info", content.info()))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodeRelease(again); err != nil || !bytes.Equal(textJSON(back["name"]), textJSON(content["name"])) {
			t.Fatalf("%v, %v", back, err)
		}
	})
}

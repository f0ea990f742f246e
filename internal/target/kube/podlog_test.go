package kube

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/setpoint-dev/setpoint/internal/state"
)

const failedJob = `{apiVersion: batch/v1, kind: Job, metadata: {name: migrate, namespace: shop, uid: "1"},
spec: {selector: {matchLabels: {job: migrate}}}, status: {conditions: [{type: Failed, status: "True", reason: BackoffLimitExceeded}]}}`

// failedPod is how a kubelet reports a Pod of the Job, with a termination message or none.
const failedPod = `{"metadata":{"name":"migrate-x","namespace":"shop"},"spec":{"restartPolicy":"Never"},"status":{"phase":"Failed",
"containerStatuses":[{"name":"side","image":"s","state":{"terminated":{"exitCode":0}}},
{"name":"main","image":"migrate:1","state":{"terminated":{"exitCode":3,"reason":"Error","message":%q}}}]}}`

// podServer serves one failed Pod and its log.
func podServer(t *testing.T, message string, log http.HandlerFunc) (*client, *atomic.Int64) {
	t.Helper()
	var asked atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/shop/pods", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"apiVersion":"v1","kind":"PodList","items":[`+strings.Replace(failedPod, "{", `{"apiVersion":"v1","kind":"Pod",`, 1)+`]}`, message)
	})
	mux.HandleFunc("GET /api/v1/namespaces/shop/pods/migrate-x/log", func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		log(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	c, err := newClient(&rest.Config{Host: server.URL}, newLanes(1))
	if err != nil {
		t.Fatal(err)
	}
	return c, &asked
}

func TestFailedJobShowsTheEndOfItsLog(t *testing.T) {
	const plain = `container "main" (migrate:1) failed: exit code 3`
	says := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			want := "container=main&limitBytes=2048&tailLines=5"
			if r.URL.RawQuery != want {
				t.Errorf("asked for %q, want %q", r.URL.RawQuery, want)
			}
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write([]byte(text))
		}
	}
	refuses := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", code) }
	}
	tests := []struct {
		name, message string
		log           http.HandlerFunc
		want          string
		asked         int64
	}{
		{"the log", "", says("connecting\n\x1b[31mno\tsuch table\x1b[0m\r\n\n"), plain + ": connecting | no such table", 1},
		{"its own message is enough", "no database\n", says("x"), plain + ": no database", 0},
		{"an empty log", "", says(""), plain, 1},
		{"may not read it", "", refuses(http.StatusForbidden), plain, 1},
		{"no kubelet", "", refuses(http.StatusInternalServerError), plain, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, asked := podServer(t, test.message, test.log)
			h, found := c.workloadReason(t.Context(), decodeYAML(t, failedJob), "lane")
			if !found || h.Status != state.Degraded || h.Message != test.want {
				t.Errorf("%v %+v, want %q", found, h, test.want)
			}
			if asked.Load() != test.asked {
				t.Errorf("asked %d times for the log, want %d", asked.Load(), test.asked)
			}
		})
	}
}

// The log is read once per failure, however often the Job is compared, and again for the next Job of that name.
func TestFailureIsLookedIntoOnce(t *testing.T) {
	client, asked := podServer(t, "", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("no such table\n")) })
	c := &comparison{Target: &Target{client: client}, owner: newOwners().get(state.Owner{Agent: "a", Sync: "s"})}
	w := &wanted{known: &known{}}
	job := func(uid string) *live {
		object := decodeYAML(t, strings.Replace(failedJob, `uid: "1"`, `resourceVersion: "1", uid: "`+uid+`"`, 1))
		l, err := newLive(object, resource{gvr: jobResource, kind: "Job", namespaced: true, status: true}, "setpoint")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for i, uid := range []string{"1", "1", "2", "2"} {
		if i == 1 {
			a := *w.ailment.Load()
			a.asked = a.asked.Add(-2 * askEvery) // some time has passed
			w.ailment.Store(&a)
		}
		if h := c.diagnose(t.Context(), w, job(uid)); !strings.HasSuffix(h.Message, ": no such table") {
			t.Errorf("Job %s: %+v", uid, h)
		}
	}
	if asked.Load() != 2 {
		t.Errorf("asked %d times for the log of two failures", asked.Load())
	}
	slow := job("4")
	slow.health = state.Health{Status: state.Progressing, Reason: "JobRunning"}
	w.ailment.Store(&ailment{uid: "4", since: time.Now().Add(-time.Minute), asked: time.Now(), health: slow.health}) // asked just before
	if h := c.diagnose(t.Context(), w, job("4")); !h.Final || !strings.HasSuffix(h.Message, ": no such table") {
		t.Errorf("a Job that failed just after it was looked into: %+v", h)
	}
	running := job("3")
	running.health = state.Health{Status: state.Progressing, Reason: "JobRunning"}
	if h := c.diagnose(t.Context(), w, running); h != running.health {
		t.Errorf("a new Job of the name: %+v, want nothing of the failure before", h)
	}
}

func TestOneLine(t *testing.T) {
	long := strings.Repeat("ä", shownBytes)
	tests := []struct{ log, want string }{
		{"", ""},
		{"\n \n", ""},
		{"a\n\n  b  c\t\n", "a | b c"},
		{"1\n2\n3\n4\n5\n6\n", "2 | 3 | 4 | 5 | 6"},
		{"\x1b]0;title\x07red\x00\x08\x7f\u202e!\xff", "red!"},
	}
	for _, test := range tests {
		if got := oneLine(test.log); got != test.want {
			t.Errorf("%q: %q, want %q", test.log, got, test.want)
		}
	}
	if got := oneLine(long); len(got) > shownBytes+len("…") || !strings.HasPrefix(got, "…ä") {
		t.Errorf("a long line: %d bytes, %q", len(got), got[:10])
	}
}

var jobResource = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}

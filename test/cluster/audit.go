package cluster

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	auditPolicyFile = "audit-policy.json"
	auditLogFile    = "audit.log"
)

// auditPolicy records who asked what, without bodies.
const auditPolicy = `{
  "apiVersion": "audit.k8s.io/v1",
  "kind": "Policy",
  "omitStages": ["RequestReceived"],
  "omitManagedFields": true,
  "rules": [{"level": "Metadata"}]
}
`

// An AuditEvent is one request that the API server answered.
type AuditEvent struct {
	Time        time.Time // when the request arrived
	Verb        string    // get, list, watch, create, update, patch, delete, deletecollection
	User        string
	UserAgent   string
	Group       string // API group; "" is the core group, or a request that names no resource
	Resource    string
	Subresource string
	Namespace   string
	Name        string
	DryRun      bool // as the query says; a delete may ask for it in its body, which the log does not hold
	RequestURI  string
	Code        int // of the answer
}

// Write reports whether the request may change something: any mutating verb, refused and dry-run requests included. Reviews
// of access and authentication are questions although they are created.
func (e AuditEvent) Write() bool {
	if e.Group == "authorization.k8s.io" || e.Group == "authentication.k8s.io" {
		return false
	}
	return slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, e.Verb)
}

// auditLine is the part of the audit log's format that is read here.
type auditLine struct {
	AuditID    string    `json:"auditID"`
	Verb       string    `json:"verb"`
	RequestURI string    `json:"requestURI"`
	UserAgent  string    `json:"userAgent"`
	Received   time.Time `json:"requestReceivedTimestamp"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		APIGroup    string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	Status struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

// AuditEvents returns the requests that arrived at or after since, in the order of their answers; a watch counts once, when
// it begins. A request is recorded when its answer is complete, which its client may see a moment earlier: to prove that
// something was never asked, look at a span that has passed. It needs Options.Audit.
func (c *Cluster) AuditEvents(since time.Time) ([]AuditEvent, error) {
	if !c.opts.Audit {
		return nil, errors.New("read the audit log: the cluster was started without Options.Audit; set it")
	}
	file, err := os.Open(filepath.Join(c.dir, auditLogFile))
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer func() { _ = file.Close() }()
	since = since.Truncate(time.Microsecond) // the log's precision
	var events []AuditEvent
	seen := map[string]bool{} // a long request has one line for its start and one for its end
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line auditLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			// The last line may be half written, or cut off by a kill; both are no answered request.
			continue
		}
		if seen[line.AuditID] || line.Received.Before(since) {
			continue
		}
		seen[line.AuditID] = true
		events = append(events, line.event())
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return events, nil
}

func (l auditLine) event() AuditEvent {
	dryRun := false
	if uri, err := url.ParseRequestURI(l.RequestURI); err == nil {
		dryRun = len(uri.Query()["dryRun"]) > 0
	}
	return AuditEvent{
		Time: l.Received, Verb: l.Verb, User: l.User.Username, UserAgent: l.UserAgent,
		Group: l.ObjectRef.APIGroup, Resource: l.ObjectRef.Resource, Subresource: l.ObjectRef.Subresource,
		Namespace: l.ObjectRef.Namespace, Name: l.ObjectRef.Name,
		DryRun: dryRun, RequestURI: l.RequestURI, Code: l.Status.Code,
	}
}

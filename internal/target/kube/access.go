package kube

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// accessFor is how long the server's answer about a permission is taken for granted.
const accessFor = time.Minute

// right is one thing that an identity may or may not do.
type right struct {
	verb      string
	resource  resource
	namespace string
	name      string
}

// access asks the server what an identity may do, once per distinct question. Safe for concurrent use.
type access struct {
	client   *client
	identity string

	mu      sync.Mutex
	answers map[right]*permission
}

// permission is an answer, or the wait for it.
type permission struct {
	done    chan struct{}
	asked   time.Time
	allowed bool
	err     error
}

func newAccess(client *client, identity string) *access {
	return &access{client: client, identity: identity, answers: map[right]*permission{}}
}

// allows says whether the identity has a right, by asking from the general to the particular: everywhere, in the namespace, for
// the object. So the usual case, one role for all, costs one question per verb and kind. The error is Denied with everything
// that an administrator has to know, or says that the question failed.
func (a *access) allows(ctx context.Context, r right, lane string) error {
	everywhere, inNamespace := r, r
	everywhere.name, everywhere.namespace, inNamespace.name = "", "", ""
	questions := []right{everywhere, inNamespace, r}
	if r.namespace == "" {
		questions = []right{everywhere, r}
	}
	for _, question := range questions {
		allowed, err := a.review(ctx, question, lane)
		if allowed || err != nil {
			return err
		}
	}
	return r.denied(a.identity)
}

// denied says that an identity lacks the right, and how it gets it.
func (r right) denied(identity string) *fault.Error {
	item := r.resource.gvr.GroupResource().String()
	where := " in the cluster"
	if r.namespace != "" {
		where = " in namespace " + r.namespace
	}
	return fault.New(fault.Denied, r.verb, strings.TrimSuffix(item+" "+r.name, " "), identity+" may not "+r.verb+" "+item+where).
		WithHint("grant it with a Role or ClusterRole and a binding, or let the Sync act as another service account")
}

func (a *access) review(ctx context.Context, question right, lane string) (bool, error) {
	a.mu.Lock()
	known := a.answers[question]
	if known == nil || time.Since(known.asked) > accessFor {
		known = &permission{done: make(chan struct{}), asked: time.Now()}
		a.answers[question] = known
		a.mu.Unlock()
		known.allowed, known.err = a.ask(ctx, question, lane)
		close(known.done)
		if known.err != nil || !known.allowed { // refusals are asked again soon: somebody may be granting the right
			a.forget(question, known)
		}
		return known.allowed, known.err
	}
	a.mu.Unlock()
	select {
	case <-known.done:
		return known.allowed, known.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (a *access) forget(question right, answer *permission) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.answers[question] == answer {
		if answer.err != nil {
			delete(a.answers, question)
			return
		}
		answer.asked = time.Now().Add(refusedAccessFor - accessFor)
	}
}

// refusedAccessFor is how long a refusal is taken for granted.
const refusedAccessFor = 5 * time.Second

func (a *access) ask(ctx context.Context, r right, lane string) (bool, error) {
	attributes := map[string]string{
		"verb": r.verb, "group": r.resource.gvr.Group, "version": r.resource.gvr.Version, "resource": r.resource.gvr.Resource,
		"namespace": r.namespace, "name": r.name,
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
		"spec": map[string]any{"resourceAttributes": attributes},
	})
	if err != nil {
		return false, err
	}
	got, err := a.client.do(ctx, call{
		method: http.MethodPost, path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
		body: body, contentType: contentJSON, lane: lane,
	})
	if err != nil {
		return false, explain("ask for permission to "+r.verb, r.resource.gvr.GroupResource().String(), err)
	}
	var review struct {
		Status struct {
			Allowed bool `json:"allowed"`
		} `json:"status"`
	}
	err = json.Unmarshal(got.body, &review)
	return review.Status.Allowed, err
}

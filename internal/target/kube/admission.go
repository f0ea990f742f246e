package kube

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// admissionFor is how long the list of admission rules is taken for granted. It is read only while something is to be changed.
const admissionFor = 10 * time.Second

// admission knows which objects could be refused by something that only the server can ask: webhooks, policies, quotas. All
// others need no dry-run. Safe for concurrent use.
type admission struct {
	client *client
	kinds  *kinds

	mu    sync.Mutex
	read  time.Time
	rules []admissionRule
	// limited are the namespaces with a quota or limits.
	limited map[string]bool
	// unreadable says that the agent may not read the rules, so that anything might be refused.
	unreadable bool
}

// admissionRule is one rule of a webhook or policy: what it wants to see.
type admissionRule struct {
	Groups    []string `json:"apiGroups"`
	Versions  []string `json:"apiVersions"`
	Resources []string `json:"resources"`
	Scope     string   `json:"scope"`
	noDryRun  bool     // the webhook has side effects, so the server refuses to rehearse
}

func newAdmission(client *client, kinds *kinds) *admission {
	return &admission{client: client, kinds: kinds}
}

// concerns says whether admission could refuse an object, so that a dry-run is worth its request. It may say so too often,
// never too rarely: selectors are not looked at.
func (a *admission) concerns(ctx context.Context, w *wanted, lane string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.read) > admissionFor {
		a.refresh(ctx, lane)
	}
	concerned := a.unreadable || a.limited[w.id.Namespace] || w.resource.gvr.Group == "" && w.resource.kind == "Pod"
	for _, rule := range a.rules {
		if !rule.matches(w.resource) {
			continue
		}
		if rule.noDryRun {
			return false
		}
		concerned = true
	}
	return concerned
}

func (r admissionRule) matches(to resource) bool {
	covers := func(list []string, value string) bool {
		return slices.Contains(list, "*") || slices.Contains(list, value)
	}
	inScope := r.Scope == "" || r.Scope == "*" || (r.Scope == "Namespaced") == to.namespaced
	return inScope && covers(r.Groups, to.gvr.Group) && covers(r.Versions, to.gvr.Version) &&
		(covers(r.Resources, to.gvr.Resource) || slices.Contains(r.Resources, "*/*") || slices.Contains(r.Resources, to.gvr.Resource+"/*"))
}

// refresh reads all rules again; the caller holds the lock. What cannot be read counts as a rule for everything.
func (a *admission) refresh(ctx context.Context, lane string) {
	a.rules, a.limited, a.unreadable, a.read = nil, map[string]bool{}, false, time.Now()
	for _, read := range []func(context.Context, string) error{a.readWebhooks, a.readPolicies, a.readLimits} {
		if err := read(ctx, lane); err != nil {
			a.unreadable = true
			if !apierrors.IsForbidden(err) {
				a.read = time.Time{}
			}
		}
	}
}

// list reads all objects of a resource, whose version does not matter; none when the server has no such resource.
func (a *admission) list(ctx context.Context, gk schema.GroupKind, lane string, into any) error {
	r, ok := a.kinds.get(groupKindOf(gk), "")
	if !ok {
		return nil
	}
	got, err := a.client.do(ctx, call{method: http.MethodGet, path: r.path("", ""), lane: lane})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(got.body, into)
}

const admissionGroup = "admissionregistration.k8s.io"

func (a *admission) readWebhooks(ctx context.Context, lane string) error {
	for _, kind := range []string{"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"} {
		var found struct {
			Items []struct {
				Webhooks []struct {
					SideEffects string          `json:"sideEffects"`
					Rules       []admissionRule `json:"rules"`
				} `json:"webhooks"`
			} `json:"items"`
		}
		if err := a.list(ctx, schema.GroupKind{Group: admissionGroup, Kind: kind}, lane, &found); err != nil {
			return err
		}
		for _, item := range found.Items {
			for _, webhook := range item.Webhooks {
				for _, rule := range webhook.Rules {
					rule.noDryRun = !strings.HasPrefix(webhook.SideEffects, "None")
					a.rules = append(a.rules, rule)
				}
			}
		}
	}
	return nil
}

func (a *admission) readPolicies(ctx context.Context, lane string) error {
	for _, kind := range []string{"ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"} {
		var bindings struct {
			Items []struct {
				Spec struct {
					PolicyName string `json:"policyName"`
				} `json:"spec"`
			} `json:"items"`
		}
		if err := a.list(ctx, schema.GroupKind{Group: admissionGroup, Kind: kind + "Binding"}, lane, &bindings); err != nil {
			return err
		}
		bound := map[string]bool{}
		for _, item := range bindings.Items {
			bound[item.Spec.PolicyName] = true
		}
		if err := a.readPolicy(ctx, kind, bound, lane); err != nil {
			return err
		}
	}
	return nil
}

// readPolicy adds the rules of the policies that are bound to anything.
func (a *admission) readPolicy(ctx context.Context, kind string, bound map[string]bool, lane string) error {
	if len(bound) == 0 {
		return nil
	}
	var policies struct {
		Items []struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
			Spec struct {
				MatchConstraints struct {
					ResourceRules []admissionRule `json:"resourceRules"`
				} `json:"matchConstraints"`
			} `json:"spec"`
		} `json:"items"`
	}
	if err := a.list(ctx, schema.GroupKind{Group: admissionGroup, Kind: kind}, lane, &policies); err != nil {
		return err
	}
	for _, policy := range policies.Items {
		if bound[policy.Metadata.Name] {
			a.rules = append(a.rules, policy.Spec.MatchConstraints.ResourceRules...)
		}
	}
	return nil
}

func (a *admission) readLimits(ctx context.Context, lane string) error {
	for _, kind := range []string{"ResourceQuota", "LimitRange"} {
		var found struct {
			Items []struct {
				Metadata struct {
					Namespace string `json:"namespace"`
				} `json:"metadata"`
			} `json:"items"`
		}
		if err := a.list(ctx, schema.GroupKind{Kind: kind}, lane, &found); err != nil {
			return err
		}
		for _, item := range found.Items {
			a.limited[item.Metadata.Namespace] = true
		}
	}
	return nil
}

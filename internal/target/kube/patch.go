package kube

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// patchRequest is one server-side apply.
type patchRequest struct {
	wanted *wanted
	body   []byte
	force  bool
	dryRun bool
	lane   string
}

func (t *Target) patch(p patchRequest) call {
	query := url.Values{"fieldManager": {t.cluster.cfg.FieldManager}, "fieldValidation": {"Strict"}}
	if p.force {
		query.Set("force", "true")
	}
	if p.dryRun {
		query.Set("dryRun", "All")
	}
	return call{
		method: http.MethodPatch, path: p.wanted.resource.path(p.wanted.id.Namespace, p.wanted.id.Name), query: query,
		body: p.body, contentType: contentApply, lane: p.lane,
	}
}

// send applies an object. An endpoint that is not served yet, because its definition was established a moment ago, is given a
// little time.
func (t *Target) send(ctx context.Context, p patchRequest) (answer, error) {
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		got, err := t.client.do(ctx, t.patch(p))
		if err == nil || !endpointMissing(err) || wait > 2*time.Second {
			return got, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return got, err
		}
	}
}

// conflicts reads which managers own the fields that an apply without force may not change, as "kubectl-edit: /spec/replicas".
// claimed says that one of them is the label of an ApplySet.
func conflicts(err error) (tookOver []string, claimed bool) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil, false
	}
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		if strings.Contains(cause.Field, labelPartOf) {
			claimed = true
		}
		manager := cause.Message
		if _, rest, ok := strings.Cut(manager, `conflict with "`); ok {
			manager, _, _ = strings.Cut(rest, `"`)
		}
		tookOver = append(tookOver, manager+": "+pointer(cause.Field))
	}
	return tookOver, claimed
}

// isFieldConflict says whether an apply was refused because others own fields, which force overcomes.
func isFieldConflict(err error) bool {
	return apierrors.IsConflict(err) && hasCause(err, string(metav1.CauseTypeFieldManagerConflict))
}

// pointer writes a server's field path (".spec.containers[name=\"a\"].image") as the paths of differences are written.
func pointer(field string) string {
	var b strings.Builder
	inBrackets := false
	for _, r := range field {
		switch {
		case r == '[':
			inBrackets = true
			b.WriteRune(r)
		case r == ']':
			inBrackets = false
			b.WriteRune(r)
		case r == '.' && !inBrackets:
			b.WriteByte('/')
		case r == '"' && inBrackets:
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

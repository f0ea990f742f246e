package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

func (a *api) request(r *http.Request) (any, error) {
	name := r.PathValue("name")
	accepted := v1alpha1.Accepted{Syncs: []string{name}, Time: a.options.Now().UTC()}
	return accepted, a.backend.Request(name)
}

func (a *api) suspend(r *http.Request) (any, error) { return a.hold(r, true) }

func (a *api) resume(r *http.Request) (any, error) { return a.hold(r, false) }

func (a *api) hold(r *http.Request, on bool) (any, error) {
	name := r.PathValue("name")
	if err := a.backend.Suspend(r.Context(), name, on); err != nil {
		return nil, err
	}
	detail, err := a.backend.Sync(name)
	return detail.SyncStatus, err
}

func (a *api) diff(r *http.Request) (any, error) {
	var body v1alpha1.DiffRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	select {
	case a.diffs <- struct{}{}:
		defer func() { <-a.diffs }()
	case <-r.Context().Done():
		return nil, fault.Wrap(fault.Transient, "diff", r.PathValue("name"), r.Context().Err())
	}
	found, err := a.backend.Diff(r.Context(), r.PathValue("name"), body.Revision)
	if found.Changes == nil {
		found.Changes = []v1alpha1.Change{}
	}
	return found, err
}

// decode reads a request's body; an empty one leaves the value as it is.
func decode(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return fault.Wrap(fault.Invalid, "read", "the request's body", err)
	}
	return nil
}

// hook wakes Syncs. Whatever the body says is thrown away: a webhook carries no state, so a forged one costs a look and nothing
// more.
func (a *api) hook(r *http.Request) (any, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, fault.Wrap(fault.Invalid, "read", "the request's body", err)
	}
	source := r.URL.Query().Get("source")
	accepted := v1alpha1.Accepted{Syncs: []string{}, Time: a.options.Now().UTC()}
	for _, status := range a.backend.Syncs() {
		if source != "" && !follows(status, source) {
			continue
		}
		// One that went meanwhile needs no wake-up.
		if err := a.backend.Refresh(status.Name); err != nil && fault.KindOf(err) != fault.NotFound {
			return nil, err
		}
		accepted.Syncs = append(accepted.Syncs, status.Name)
	}
	if source != "" && len(accepted.Syncs) == 0 {
		return nil, fault.New(fault.NotFound, "wake", source, "no Sync follows this source")
	}
	return accepted, nil
}

// follows says whether a Sync's source has that name or URL; a Sync shows it as "URL ref" or "name".
func follows(status v1alpha1.SyncStatus, source string) bool {
	return status.Source == source || strings.HasPrefix(status.Source, source+" ") || strings.HasPrefix(status.Source, source+"@")
}

package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

const (
	// lookEvery is how often the tour looks whether something has happened, patience how long it does so when nobody has to do it.
	lookEvery = 100 * time.Millisecond
	patience  = 30 * time.Second
)

// The states of a Sync at rest: it has nothing left to do, or can do nothing more.
const (
	inSync = "InSync"
	failed = "Failed"
	// dependency is the reason of a Sync that is as declared while something that it depends on is not well.
	dependency = "DependencyUnhealthy"
)

// sight looks whether something is so, and says what there is to see.
type sight func(ctx context.Context) (said string, seen bool)

// await waits until something is so.
func (s *stage) await(ctx context.Context, what string, looks sight) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	said, err := s.watch(ctx, looks)
	if err == nil {
		return nil
	}
	if said != "" {
		said = "; what there is: " + said
	}
	return fault.New(fault.Transient, "wait", "until "+what, fmt.Sprintf("not within %s%s", patience, said))
}

func (s *stage) watch(ctx context.Context, looks sight) (string, error) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		said, seen := looks(ctx)
		if seen {
			return said, nil
		}
		select {
		case <-ctx.Done():
			return said, ctx.Err()
		case err := <-s.stopped:
			s.stop = nil
			return said, orElse(err, fault.New(fault.Internal, "run", "the agent", "it has ended"))
		case <-ticker.C:
		}
	}
}

// healthy looks whether every Sync is in sync and both environments answer.
func (s *stage) healthy(ctx context.Context) (string, bool) {
	list, err := s.client.Syncs(ctx)
	if err != nil || len(list.Syncs) != 1+len(environments) {
		return fmt.Sprint(err), false
	}
	for _, status := range list.Syncs {
		if status.State != inSync {
			return status.Name + ": " + status.State + " " + status.Message, false
		}
	}
	for _, environment := range environments {
		if said, ok := s.answer(ctx, environment); !ok {
			return said, false
		}
	}
	return "", true
}

// settled looks whether nothing is on its way, so that what happens next has an attempt of its own in the history.
func (s *stage) settled(ctx context.Context) (string, bool) {
	list, err := s.client.Syncs(ctx)
	if err != nil {
		return err.Error(), false
	}
	for _, status := range list.Syncs {
		resting := status.State == inSync || status.State == failed || status.Reason == dependency
		if slices.Contains(environments, status.Name) && !resting {
			return status.Name + ": " + status.State + " " + status.Message, false
		}
	}
	return "", true
}

// answer asks an environment's address.
func (s *stage) answer(ctx context.Context, environment string) (string, bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url(environment), http.NoBody)
	if err != nil {
		return err.Error(), false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error(), false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	return strings.TrimSpace(string(body)), err == nil && response.StatusCode == http.StatusOK
}

// says looks whether an environment answers with a text.
func (s *stage) says(environment, text string) sight {
	return func(ctx context.Context) (string, bool) {
		said, ok := s.answer(ctx, environment)
		return "$ curl " + s.url(environment) + "\n" + said, ok && strings.Contains(said, text)
	}
}

// repaired looks for the repair of a drift, after a time, that is about a kind of object and a field.
func (s *stage) repaired(since time.Time, kind, field string) sight {
	return func(ctx context.Context) (string, bool) {
		page, err := s.client.History(ctx, store.AttemptQuery{Since: since})
		if err != nil {
			return err.Error(), false
		}
		for _, attempt := range page.Attempts {
			for _, change := range attempt.Changes {
				if change.Cause == "drift" && change.ID.Kind == kind && attempt.Outcome == "Succeeded" {
					if said, ok := describe(attempt, change, field); ok {
						return said, true
					}
				}
			}
		}
		return "", false
	}
}

func describe(attempt v1alpha1.Attempt, change v1alpha1.Change, field string) (string, bool) {
	for _, f := range change.Fields {
		if strings.HasPrefix(f.Path, field) {
			took := attempt.Finished.Sub(attempt.Started).Round(time.Millisecond)
			by := ""
			if f.By != "" {
				by = "\n    by   " + f.By
			}
			return fmt.Sprintf("$ setpoint history %s\n%s  %s\n    was  %s%s\n    now  %s\n    put right in %s",
				attempt.Sync, change.ID, f.Path, f.Old, by, f.New, took), true
		}
	}
	return "", false
}

// refused looks whether the newest release of an environment has failed while an older one serves.
func (s *stage) refused(environment string) sight {
	return func(ctx context.Context) (string, bool) {
		releases, err := s.client.Releases(ctx, environment+"-shop")
		if err != nil || len(releases.Releases) == 0 {
			return fmt.Sprint(err), false
		}
		newest := releases.Releases[0]
		said, serves := s.answer(ctx, environment)
		refused := newest.State == v1alpha1.ReleaseFailed
		return fmt.Sprintf("$ setpoint history app/%s-shop\nrelease %d: %s: %s\n$ curl %s\n%s",
			environment, newest.Number, newest.State, newest.Message, s.url(environment), said), refused && serves
	}
}

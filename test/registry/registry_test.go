package registry_test

import (
	"net/http"
	"testing"

	"github.com/setpoint-dev/setpoint/test/registry"
)

// TestRegistry: it answers whom it knows, and comes back where it was.
func TestRegistry(t *testing.T) {
	r := registry.With(t, registry.Options{User: "fleet", Password: "swordfish"})
	ask := func(password string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("fleet", password)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	if got := ask("swordfish"); got != http.StatusOK {
		t.Errorf("got %d", got)
	}
	if got := ask("wrong"); got != http.StatusUnauthorized {
		t.Errorf("got %d for a wrong password", got)
	}
	r.Stop()
	if got := ask("swordfish"); got != 0 {
		t.Errorf("got %d from a registry that was stopped", got)
	}
	r.Start()
	if got := ask("swordfish"); got != http.StatusOK {
		t.Errorf("got %d after a restart", got)
	}
}

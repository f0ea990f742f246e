package httpapi_test

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/history"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/httpapi/httpapitest"
)

func page(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestEveryPathIsDocumented(t *testing.T) {
	text := page(t, "api.md")
	for _, path := range httpapi.Paths() {
		last := path[strings.LastIndex(path, "/"):]
		if !strings.Contains(text, "`"+path+"`") && !strings.Contains(text, "`"+last+"`") {
			t.Errorf("docs/api.md does not name %s", path)
		}
	}
}

func TestEveryMetricIsDocumented(t *testing.T) {
	text := page(t, "metrics.md")
	backend := httpapitest.New(content(), nil)
	metrics := httpapi.NewMetrics("1.2.3", backend.Syncs)
	metrics.Attempt(content().Attempts[0])
	metrics.Rendered("shop", time.Second)
	metrics.Drift("shop", 1)
	metrics.Poll("x", "Transient")
	metrics.Settled("shop", time.Second)
	metrics.ReadDeviations(func(string) history.DeviationTotals { return history.DeviationTotals{Repairs: map[string]int{"": 1}} })
	recorder := httptest.NewRecorder()
	metrics.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(context.Background(), "GET", "/metrics", nil))
	found := regexp.MustCompile(`(?m)^# TYPE (setpoint_\w+)`).FindAllStringSubmatch(recorder.Body.String(), -1)
	for _, match := range found {
		if !strings.Contains(text, "`"+match[1]+"`") {
			t.Errorf("docs/metrics.md does not name %s", match[1])
		}
	}
	for _, match := range regexp.MustCompile("(?m)^\\| `(setpoint_\\w+)`").FindAllStringSubmatch(text, -1) {
		if !strings.Contains(recorder.Body.String(), "# TYPE "+match[1]) {
			t.Errorf("docs/metrics.md names %s, which is not there", match[1])
		}
	}
}

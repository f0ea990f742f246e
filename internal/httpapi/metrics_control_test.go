package httpapi_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/history"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
)

func TestMetricsOfTheClosedLoop(t *testing.T) {
	syncs := []v1alpha1.SyncStatus{
		{Name: "shop", State: "Held", Deviation: v1alpha1.Deviation{Objects: 3, Fields: 7, Unhealthy: 1},
			Plan: &v1alpha1.HeldPlan{}, Quarantine: &v1alpha1.Quarantine{}},
		{Name: "calm", State: "InSync"},
	}
	metrics := httpapi.NewMetrics("1.2.3", func() []v1alpha1.SyncStatus { return syncs })
	scrape := func() string {
		recorder := httptest.NewRecorder()
		metrics.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
		return recorder.Body.String()
	}
	if body := scrape(); strings.Contains(body, "setpoint_deviation_seconds_total{") || !strings.Contains(body, "setpoint_held_plans{") {
		t.Error("before there is a memory of deviations")
	}
	metrics.Settled("shop", 3*time.Second)
	metrics.ReadDeviations(func(sync string) history.DeviationTotals {
		if sync == "calm" {
			return history.DeviationTotals{}
		}
		return history.DeviationTotals{Deviating: 90 * time.Second, Repairs: map[string]int{"kubectl-edit": 4, "": 1}}
	})
	body := scrape()
	for _, want := range []string{
		`setpoint_sync_deviation_objects{sync="shop"} 3`, `setpoint_sync_deviation_fields{sync="shop"} 7`,
		`setpoint_sync_deviation_unhealthy{sync="shop"} 1`, `setpoint_sync_deviation_objects{sync="calm"} 0`,
		`setpoint_sync_quarantined{sync="shop"} 1`, `setpoint_sync_quarantined{sync="calm"} 0`,
		`setpoint_held_plans{sync="shop"} 1`, `setpoint_held_plans{sync="calm"} 0`,
		`setpoint_deviation_seconds_total{sync="shop"} 90`, `setpoint_deviation_seconds_total{sync="calm"} 0`,
		`setpoint_repairs_total{cause="kubectl-edit",sync="shop"} 4`, `setpoint_repairs_total{cause="",sync="shop"} 1`,
		`setpoint_settling_seconds_bucket{sync="shop",le="2.5"} 0`, `setpoint_settling_seconds_bucket{sync="shop",le="5"} 1`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
	metrics.Forget("shop")
	syncs = syncs[1:]
	if strings.Contains(scrape(), `sync="shop"`) {
		t.Error("a forgotten Sync is still counted")
	}
}

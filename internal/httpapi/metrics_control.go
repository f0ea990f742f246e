package httpapi

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/history"
)

// controlMetrics are those of the closed loop. All but the histogram are read when they are asked for.
type controlMetrics struct {
	syncs    func() []v1alpha1.SyncStatus // nil for none
	totals   atomic.Pointer[func(sync string) history.DeviationTotals]
	settling *prometheus.HistogramVec
}

func newControlMetrics(syncs func() []v1alpha1.SyncStatus) *controlMetrics {
	return &controlMetrics{syncs: syncs, settling: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "setpoint", Name: "settling_seconds", Help: "Time from a revision being seen to everything being healthy.",
		Buckets: []float64{.1, .5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600},
	}, []string{"sync"})}
}

// Settled counts a revision that became healthy, with the time since it was seen.
func (m *Metrics) Settled(sync string, took time.Duration) {
	m.control.settling.WithLabelValues(sync).Observe(took.Seconds())
}

// ReadDeviations has counters of time in deviation and of repairs read from a memory of them at every scrape. They end with a Sync, as
// gauges do.
func (m *Metrics) ReadDeviations(totals func(sync string) history.DeviationTotals) {
	m.control.totals.Store(&totals)
}

// controlMetric describes a metric that is read when it is asked for.
func controlMetric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("setpoint_"+name, help, append([]string{"sync"}, labels...), nil)
}

var (
	deviatingObjectsMetric = controlMetric("sync_deviation_objects", "Objects that differ from what is declared, or are not healthy.")
	deviatingFieldsMetric  = controlMetric("sync_deviation_fields", "Fields that differ from what is declared.")
	unhealthyMetric        = controlMetric("sync_deviation_unhealthy", "Objects that are not healthy.")
	quarantinedMetric      = controlMetric("sync_quarantined", "1 when the newest revision failed and is not tried again, else 0.")
	heldMetric             = controlMetric("held_plans", "1 when guards keep a change back, else 0.")
	deviatingMetric        = controlMetric("deviation_seconds_total", "Time in deviation.")
	repairsMetric          = controlMetric("repairs_total", "Objects whose drift was corrected, by who made them deviate.", "cause")
)

// Describe implements prometheus.Collector.
func (c *controlMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	c.settling.Describe(descriptions)
	for _, metric := range []*prometheus.Desc{deviatingObjectsMetric, deviatingFieldsMetric, unhealthyMetric, quarantinedMetric, heldMetric,
		deviatingMetric, repairsMetric} {
		descriptions <- metric
	}
}

// Collect implements prometheus.Collector.
func (c *controlMetrics) Collect(metrics chan<- prometheus.Metric) {
	c.settling.Collect(metrics)
	if c.syncs == nil {
		return
	}
	totals := c.totals.Load()
	for _, s := range c.syncs() {
		gauge := func(desc *prometheus.Desc, value int) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), s.Name)
		}
		gauge(deviatingObjectsMetric, s.Deviation.Objects)
		gauge(deviatingFieldsMetric, s.Deviation.Fields)
		gauge(unhealthyMetric, s.Deviation.Unhealthy)
		gauge(quarantinedMetric, oneIf(s.Quarantine != nil))
		gauge(heldMetric, oneIf(s.Plan != nil))
		if totals != nil {
			collectTotals(metrics, s.Name, (*totals)(s.Name))
		}
	}
}

func collectTotals(metrics chan<- prometheus.Metric, sync string, totals history.DeviationTotals) {
	counter := func(desc *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value, append([]string{sync}, labels...)...)
	}
	counter(deviatingMetric, totals.Deviating.Seconds())
	for cause, n := range totals.Repairs {
		counter(repairsMetric, float64(n), cause)
	}
}

func oneIf(holds bool) int {
	if holds {
		return 1
	}
	return 0
}

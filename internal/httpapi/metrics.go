package httpapi

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// Metrics are the agent's measurements; docs/metrics.md describes them. Gauges about Syncs are read from the Backend when they
// are asked for, so they cost nothing in between and never tell of a Sync that is gone. Safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	attempts *prometheus.CounterVec
	drift    *prometheus.CounterVec
	apply    *prometheus.HistogramVec
	render   *prometheus.HistogramVec
	polls    *prometheus.CounterVec
	errors   *prometheus.CounterVec
	control  *controlMetrics
}

// NewMetrics makes and registers all metrics. The syncs are asked on every scrape; it may be nil.
func NewMetrics(version string, syncs func() []v1alpha1.SyncStatus) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "setpoint", Name: name, Help: help}, labels)
	}
	seconds := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "setpoint", Name: name, Help: help,
			Buckets: []float64{.001, .005, .02, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}}, []string{"sync"})
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		attempts: counter("attempts_total", "Finished attempts.", "sync", "trigger", "outcome"),
		drift:    counter("drift_total", "Objects found different from what was applied.", "sync"),
		apply:    seconds("apply_seconds", "Time to apply the changes of one attempt."),
		render:   seconds("render_seconds", "Time to render a path of an artifact."),
		polls:    counter("source_polls_total", "Looks for a new revision.", "source"),
		errors:   counter("source_errors_total", "Looks that failed, by kind of error.", "source", "kind"),
	}
	m.control = newControlMetrics(syncs)
	build := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "setpoint", Name: "build_info",
		Help: "Always 1; the label names the version.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	m.registry.MustRegister(m.attempts, m.drift, m.apply, m.render, m.polls, m.errors, m.control, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if syncs != nil {
		m.registry.MustRegister(syncCollector(syncs))
	}
	return m
}

// Handler serves the metrics in the Prometheus text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// Rendered counts a render that was carried out, with the time that it took. One that was skipped because nothing that it reads
// has changed does not count.
func (m *Metrics) Rendered(sync string, took time.Duration) {
	m.render.WithLabelValues(sync).Observe(took.Seconds())
}

// Attempt counts a finished attempt and the time that applying took.
func (m *Metrics) Attempt(attempt v1alpha1.Attempt) {
	m.attempts.WithLabelValues(attempt.Sync, attempt.Trigger, attempt.Outcome).Inc()
	if took, ok := attempt.Durations["apply"]; ok {
		m.apply.WithLabelValues(attempt.Sync).Observe(time.Duration(took).Seconds())
	}
}

// Drift counts objects that were found different from what was applied.
func (m *Metrics) Drift(sync string, objects int) {
	m.drift.WithLabelValues(sync).Add(float64(objects))
}

// Poll counts a look for a new revision; kind is that of its error, "" for none.
func (m *Metrics) Poll(source, kind string) {
	m.polls.WithLabelValues(source).Inc()
	if kind != "" {
		m.errors.WithLabelValues(source, kind).Inc()
	}
}

// Forget drops the series of a Sync that is gone, so that their number stays bounded.
func (m *Metrics) Forget(sync string) {
	labels := prometheus.Labels{"sync": sync}
	m.attempts.DeletePartialMatch(labels)
	m.drift.DeletePartialMatch(labels)
	m.apply.DeletePartialMatch(labels)
	m.render.DeletePartialMatch(labels)
	m.control.settling.DeletePartialMatch(labels)
}

// syncCollector reads gauges about Syncs when they are asked for.
type syncCollector func() []v1alpha1.SyncStatus

var (
	stateMetric = prometheus.NewDesc("setpoint_sync_state", "1 for the state that a Sync is in.", []string{"sync", "state"}, nil)
	sinceMetric = prometheus.NewDesc("setpoint_sync_state_since_seconds", "When that state began, in seconds since 1970.",
		[]string{"sync"}, nil)
	objectsMetric = prometheus.NewDesc("setpoint_sync_objects", "Objects of a Sync: total, healthy, different, failed.",
		[]string{"sync", "kind"}, nil)
	contendedMetric = prometheus.NewDesc("setpoint_sync_contended", "Fields and objects that others keep changing back.",
		[]string{"sync"}, nil)
)

// Describe implements prometheus.Collector.
func (c syncCollector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- stateMetric
	descriptions <- sinceMetric
	descriptions <- objectsMetric
	descriptions <- contendedMetric
}

// Collect implements prometheus.Collector.
func (c syncCollector) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for _, s := range c() {
		gauge(stateMetric, 1, s.Name, s.State)
		if !s.Since.IsZero() {
			gauge(sinceMetric, float64(s.Since.Unix()), s.Name)
		}
		gauge(objectsMetric, float64(s.Objects.Total), s.Name, "total")
		gauge(objectsMetric, float64(s.Objects.Healthy), s.Name, "healthy")
		gauge(objectsMetric, float64(s.Objects.Different), s.Name, "different")
		gauge(objectsMetric, float64(s.Objects.Failed), s.Name, "failed")
		gauge(contendedMetric, float64(len(s.Contended)), s.Name)
	}
}

package observe

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// prefix begins the name of every metric of ours.
const prefix = "murre_"

// Metrics is the registry: functions that are asked for their numbers when somebody scrapes.
type Metrics struct {
	registry *prometheus.Registry
}

// NewMetrics returns a registry that holds the Go runtime's and the process's own metrics, and murre_build_info.
func NewMetrics(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: prefix + "build_info", Help: "Always 1; the label says which build runs.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	m.registry.MustRegister(info)
	return m
}

// Counter registers a number that only grows. The name is without the murre_ prefix.
func (m *Metrics) Counter(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: prefix + name, Help: help}, read))
}

// Gauge registers a number that goes up and down.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, read))
}

// Kind says how numbers of a labelled metric are to be read.
type Kind = prometheus.ValueType

// The kinds.
const (
	Grows  = prometheus.CounterValue
	Varies = prometheus.GaugeValue
)

// Labelled registers one metric with one label. read calls emit once for each value of the label; the values must come
// from a fixed, small set.
func (m *Metrics) Labelled(kind Kind, name, help, label string, read func(emit func(value string, n float64))) {
	m.registry.MustRegister(&labelled{kind: kind, read: read, desc: prometheus.NewDesc(prefix+name, help, []string{label}, nil)})
}

// Histogram registers a distribution.
func (m *Metrics) Histogram(name, help string, read func() Values) {
	m.registry.MustRegister(&distribution{read: read, desc: prometheus.NewDesc(prefix+name, help, nil, nil)})
}

// Handler serves the metrics in Prometheus' text form.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorLog: scrapeLog{log}, Registry: m.registry})
}

type labelled struct {
	kind Kind
	desc *prometheus.Desc
	read func(emit func(value string, n float64))
}

func (l *labelled) Describe(ch chan<- *prometheus.Desc) { ch <- l.desc }

func (l *labelled) Collect(ch chan<- prometheus.Metric) {
	l.read(func(value string, n float64) { ch <- prometheus.MustNewConstMetric(l.desc, l.kind, n, value) })
}

type distribution struct {
	desc *prometheus.Desc
	read func() Values
}

func (d *distribution) Describe(ch chan<- *prometheus.Desc) { ch <- d.desc }
func (d *distribution) Collect(ch chan<- prometheus.Metric) { ch <- d.read().metric(d.desc) }

type scrapeLog struct{ log *slog.Logger }

func (s scrapeLog) Println(v ...any) {
	s.log.Warn("metrics could not be collected", "error", fmt.Sprint(v...))
}

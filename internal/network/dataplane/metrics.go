package dataplane

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/skep-org/skep/internal/network"
)

// counters are what a plane tells of itself.
type counters struct {
	drift    *prometheus.CounterVec
	syncs    *prometheus.CounterVec
	duration prometheus.Histogram
	places   prometheus.Gauge
	audits   *prometheus.CounterVec
}

func newCounters(r prometheus.Registerer) *counters {
	c := &counters{
		drift: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skep_network_drift_repaired_total", Help: "Things of this node's networks that were not as they should be, and were repaired.",
		}, []string{"where"}),
		syncs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skep_network_syncs_total", Help: "How often kernel and names were brought up to date.",
		}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "skep_network_sync_seconds", Help: "How long that took.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		places: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "skep_network_endpoints", Help: "Places that containers of this node have on networks.",
		}),
		audits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skep_network_audits_total", Help: "How often the kernel was compared with what is desired.",
		}, []string{"outcome"}),
	}
	if r != nil {
		r.MustRegister(c.drift, c.syncs, c.duration, c.places, c.audits)
	}
	return c
}

func outcome(err error) string {
	if err != nil {
		return "failed"
	}
	return "done"
}

func (c *counters) synced(took time.Duration, err error) {
	c.syncs.WithLabelValues(outcome(err)).Inc()
	c.duration.Observe(took.Seconds())
}

func (c *counters) audited(drifts []network.Drift, err error) {
	c.audits.WithLabelValues(outcome(err)).Inc()
	c.drift.WithLabelValues("kernel").Add(float64(len(drifts)))
}

func (c *counters) repaired(where string) { c.drift.WithLabelValues(where).Inc() }

func (c *counters) endpoints(n int) { c.places.Set(float64(n)) }

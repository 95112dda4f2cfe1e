package dns

import "github.com/prometheus/client_golang/prometheus"

// counters tell what became of queries.
type counters struct{ answered, forwarded, refused, failed, held prometheus.Counter }

func newCounters(reg prometheus.Registerer) counters {
	queries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "skep_dns_queries_total", Help: "Names that containers asked for, by what became of the query.",
	}, []string{"result"})
	held := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "skep_dns_held_total", Help: "Queries that waited until their container's interfaces were programmed.",
	})
	if reg != nil {
		reg.MustRegister(queries, held)
	}
	return counters{
		answered: queries.WithLabelValues("answered"), forwarded: queries.WithLabelValues("forwarded"),
		refused: queries.WithLabelValues("refused"), failed: queries.WithLabelValues("failed"), held: held,
	}
}

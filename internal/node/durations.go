package node

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// durations are how long things took on this manager, under the names of Docker's daemon. Where the two work differently
// the help says what is measured here.
type durations struct {
	transaction, snapshot, batch, lookup, lock, readTx, writeTx, scheduling prometheus.Histogram
}

func newDurations() *durations {
	h := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.DefBuckets})
	}
	return &durations{
		transaction: h("swarm_raft_transaction_latency_seconds", "From a batch's proposal to the log until it is applied on this manager."),
		snapshot:    h("swarm_raft_snapshot_latency_seconds", "Writing a snapshot of the state."),
		batch:       h("swarm_store_batch_latency_seconds", "From a batch's proposal to the log until it is applied on this manager."),
		lookup:      h("swarm_store_lookup_latency_seconds", "Not observed: a lookup reads an immutable tree and waits for nobody."),
		lock:        h("swarm_store_memory_store_lock_duration_seconds", "How long other batches waited for one that was written into the tables. Readers never wait."),
		readTx:      h("swarm_store_read_tx_latency_seconds", "Until a request had a view that holds all acknowledged before it."),
		writeTx:     h("swarm_store_write_tx_latency_seconds", "Writing one batch into the tables."),
		scheduling:  h("swarm_dispatcher_scheduling_delay_seconds", "From the creation of a task until it was reported running, while this manager leads."),
	}
}

func (d *durations) all() []prometheus.Histogram {
	return []prometheus.Histogram{d.transaction, d.snapshot, d.batch, d.lookup, d.lock, d.readTx, d.writeTx, d.scheduling}
}

// Describe implements [prometheus.Collector].
func (d *durations) Describe(out chan<- *prometheus.Desc) {
	for _, h := range d.all() {
		h.Describe(out)
	}
}

// Collect implements [prometheus.Collector].
func (d *durations) Collect(out chan<- prometheus.Metric) {
	for _, h := range d.all() {
		h.Collect(out)
	}
}

// times are what a manager tells the durations.
func (d *durations) times() manager.Times {
	return manager.Times{
		Committed: func(took time.Duration) {
			d.transaction.Observe(took.Seconds())
			d.batch.Observe(took.Seconds())
		},
		Applied: func(took time.Duration) {
			d.lock.Observe(took.Seconds())
			d.writeTx.Observe(took.Seconds())
		},
		Read:     func(took time.Duration) { d.readTx.Observe(took.Seconds()) },
		Snapshot: func(took time.Duration) { d.snapshot.Observe(took.Seconds()) },
	}
}

// keepDelays observes how long tasks took to run, while this manager leads.
func (m *member) keepDelays(ctx context.Context, p *part) error {
	return p.follow(ctx, func(events []store.Event, view store.View, whole bool) {
		if !whole || !p.manager.Leading() {
			return
		}
		for _, e := range events {
			if took, began := schedulingDelay(view, e); began {
				m.times.scheduling.Observe(took.Seconds())
			}
		}
	})
}

// schedulingDelay is from a task's creation to the report that it runs, when a change is that.
func schedulingDelay(v store.View, e store.Event) (time.Duration, bool) {
	cur, ok := any(e.New).(*model.TaskStatus)
	if e.Table != store.Statuses.ID() || !ok || cur == nil || cur.State != model.StateRunning {
		return 0, false
	}
	if old, ok := any(e.Old).(*model.TaskStatus); ok && old != nil && old.State >= model.StateRunning {
		return 0, false
	}
	t := store.Tasks.ByID(v, cur.TaskID)
	if t == nil {
		return 0, false
	}
	return time.Duration(cur.At - t.Created), true
}

package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// serveMetrics answers Prometheus at addr until ctx ends.
func serveMetrics(ctx context.Context, addr, version string, c *cluster) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("serve metrics at %s: %w", addr, err)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newMetrics(version, c), c.overlays)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics at %s: %w", addr, err)
	}
	return nil
}

// metrics reads the cluster's state when it is asked, under the names Docker's swarm mode has.
type metrics struct {
	version string
	cluster *cluster

	build, leader, nodes, tasks, services, networks, secrets, configs, index, withdrawn *prometheus.Desc
	info, manager                                                                       *prometheus.Desc
}

func newMetrics(version string, c *cluster) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &metrics{
		version: version, cluster: c,
		build:     desc("skep_build_info", "The running version of skep.", "version"),
		index:     desc("skep_raft_applied_index", "The log index this manager has applied."),
		withdrawn: desc("skep_withdrawals_total", "Tasks that were stopped after others had been told not to balance to them, by whether all nodes said in time that they did not. Since this manager leads.", "outcome"),
		info:      desc("swarm_node_info", "Which node of which cluster this is.", "node_id", "swarm_id"),
		manager:   desc("swarm_node_manager", "Whether this node is a manager."),
		leader:    desc("swarm_manager_leader", "Whether this manager is the leader."),
		nodes:     desc("swarm_manager_nodes", "The number of nodes in each state.", "state"),
		tasks:     desc("swarm_manager_tasks_total", "The number of tasks in each state.", "state"),
		services:  desc("swarm_manager_services_total", "The number of services in the cluster."),
		networks:  desc("swarm_manager_networks_total", "The number of networks in the cluster."),
		secrets:   desc("swarm_manager_secrets_total", "The number of secrets in the cluster."),
		configs:   desc("swarm_manager_configs_total", "The number of configs in the cluster."),
	}
}

// Describe implements [prometheus.Collector].
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	newDurations().Describe(out)
	for _, d := range []*prometheus.Desc{m.info, m.manager, m.build, m.leader, m.nodes, m.tasks, m.services, m.networks, m.secrets, m.configs, m.index, m.withdrawn} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	gauge(m.build, 1, m.version)
	member := m.cluster.current()
	if member == nil {
		gauge(m.manager, 0)
		return
	}
	ms := member.membership()
	gauge(m.info, 1, ms.Node.String(), ms.Cluster.String())
	p := member.manager()
	if p == nil {
		gauge(m.manager, 0)
		return
	}
	gauge(m.manager, 1)
	member.times.Collect(out)
	leads := 0
	if p.manager.Leading() {
		leads = 1
	}
	gauge(m.leader, leads)
	if c, leads := p.manager.Counters(); leads {
		out <- prometheus.MustNewConstMetric(m.withdrawn, prometheus.CounterValue, float64(c.Withdrawn), "acknowledged")
		out <- prometheus.MustNewConstMetric(m.withdrawn, prometheus.CounterValue, float64(c.WithdrawnLate), "late")
	}
	v := p.manager.Store().View()
	gauge(m.index, int(v.Index()))
	gauge(m.services, store.Services.Len(v))
	gauge(m.networks, store.Networks.Len(v))
	gauge(m.secrets, store.Secrets.Len(v))
	gauge(m.configs, store.Configs.Len(v))
	for state, n := range nodesByState(v) {
		gauge(m.nodes, n, state)
	}
	for state, n := range tasksByState(v) {
		gauge(m.tasks, n, state)
	}
}

func nodesByState(v store.View) map[string]int {
	count := map[string]int{}
	for _, r := range []model.Reach{model.ReachUnknown, model.ReachDown, model.ReachReady, model.ReachDisconnected} {
		count[string(r.Swarm())] = 0
	}
	for n := range store.NodeStates.All(v) {
		count[string(n.State.Swarm())]++
	}
	return count
}

func tasksByState(v store.View) map[string]int {
	count := map[string]int{}
	for s := model.StateNew; s <= model.StateOrphaned; s += model.StatePending - model.StateNew {
		count[s.String()] = 0
	}
	for state, n := range render.States(v) {
		count[state.String()] += n
	}
	return count
}

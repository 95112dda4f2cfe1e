package migrate

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// settings become the swarm's where the cluster has Docker's own values.
func (m *maker) settings() {
	next := copied(m.here.Cluster.Spec)
	want := m.want.Settings
	changed := false
	set := func(s setting) {
		if !s.wanted || s.same {
			return
		}
		if s.free || m.exists("swarm", s.name, "the cluster has another value than the swarm (%s here, %s there)", s.here, s.there) {
			s.do()
			changed = true
		}
	}
	if w := want.TaskHistoryRetentionLimit; w != nil {
		has := cmp.Or(next.Orchestration.TaskHistoryRetentionLimit, new(int64(defaultTaskHistory)))
		set(value("task-history-limit", *has, *w, defaultTaskHistory, func() { next.Orchestration.TaskHistoryRetentionLimit = new(*w) }))
	}
	if w := want.KeepOldSnapshots; w != nil {
		has := cmp.Or(next.Raft.KeepOldSnapshots, new(uint64))
		set(value("max-snapshots", *has, *w, 0, func() { next.Raft.KeepOldSnapshots = new(*w) }))
	}
	if w := want.SnapshotInterval; w != 0 {
		set(value("snapshot-interval", next.Raft.SnapshotInterval, w, defaultSnapshotInterval, func() { next.Raft.SnapshotInterval = w }))
	}
	if w := want.HeartbeatPeriod; w != 0 {
		set(value("dispatcher-heartbeat", next.Dispatcher.HeartbeatPeriod, w, defaultHeartbeat, func() { next.Dispatcher.HeartbeatPeriod = w }))
	}
	if w := want.NodeCertExpiry; w != 0 {
		set(value("cert-expiry", next.CAConfig.NodeCertExpiry, w, defaultCertExpiry, func() { next.CAConfig.NodeCertExpiry = w }))
	}
	if w := want.LogDriver; w != nil {
		has := cmp.Or(next.TaskDefaults.LogDriver, &swarm.Driver{})
		set(setting{name: "log-driver", wanted: true, same: has.Name == w.Name && maps.Equal(has.Options, w.Options), free: has.Name == "",
			here: has.Name, there: w.Name, do: func() { next.TaskDefaults.LogDriver = w }})
	}
	labels, other := m.labels("swarm", "labels", next.Labels, want.Labels)
	if next.Labels = labels; changed || other {
		m.Settings = &next
	}
}

// setting is one of the cluster's.
type setting struct {
	name         string
	wanted, same bool
	free         bool // nobody has set it here
	here, there  string
	do           func()
}

func value[T comparable](name string, here, there, byDefault T, do func()) setting {
	return setting{name: name, wanted: true, same: here == there, free: here == byDefault, here: shown(here), there: shown(there), do: do}
}

// labels adds those that are missing; one that has another value stays, unless that is to change.
func (m *maker) labels(kind, name string, here, want map[string]string) (next map[string]string, changed bool) {
	next = maps.Clone(here)
	for _, k := range slices.Sorted(maps.Keys(want)) {
		has, there := here[k]
		if there && has == want[k] || there && !m.exists(kind, name, "its label %s is %q here and %q in the swarm", k, has, want[k]) {
			continue
		}
		if next == nil {
			next = map[string]string{}
		}
		next[k], changed = want[k], true
	}
	return next, changed
}

// nodes get the labels and the availability of their namesakes.
func (m *maker) nodes() {
	seen := map[string]bool{}
	for _, want := range m.want.Nodes {
		if seen[want.Hostname] {
			m.problem("node", want.Hostname, "two nodes of the swarm are to be this one here: say another one by --node OLD=NEW")
			continue
		}
		seen[want.Hostname] = true
		if len(want.Labels) == 0 && want.Availability == "" {
			continue
		}
		var there []swarm.Node
		for _, n := range m.here.Nodes {
			if n.Description.Hostname == want.Hostname {
				there = append(there, n)
			}
		}
		switch len(there) {
		case 0:
			m.add(Lost, "node", want.Hostname, "no node here has this host name, so that %s not carried: say which one is in its place by --node %s=NAME", described(want), want.Hostname)
			continue
		case 1:
		default:
			m.add(Lost, "node", want.Hostname, "several nodes here have this host name, so that %s not carried: docker node update does it by id", described(want))
			continue
		}
		next := copied(there[0])
		labels, changed := m.labels("node", want.Hostname, next.Spec.Labels, want.Labels)
		next.Spec.Labels = labels
		if a := want.Availability; a != "" && a != next.Spec.Availability {
			if next.Spec.Availability == swarm.NodeAvailabilityActive || m.exists("node", want.Hostname, "its availability is %s here and %s in the swarm", next.Spec.Availability, a) {
				next.Spec.Availability, changed = a, true
			}
		}
		if changed {
			m.Nodes = append(m.Nodes, next)
		} else {
			m.Same++
		}
	}
}

// described is what is set of a node.
func described(n Node) string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(n.Labels)) {
		words = append(words, "label "+k+"="+n.Labels[k])
	}
	if n.Availability != "" {
		words = append(words, "availability "+string(n.Availability))
	}
	if len(words) == 1 {
		return words[0] + " is"
	}
	return strings.Join(words, ", ") + " are"
}

func shown(v any) string {
	if d, ok := v.(time.Duration); ok {
		return d.String()
	}
	return inJSON(v)
}

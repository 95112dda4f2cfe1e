package dispatcher

import (
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

const (
	// swarmPeriod is what Docker's clients send when the user named no heartbeat period: it counts as none.
	swarmPeriod = 5 * time.Second
	// shortestPeriod is a small cluster's: with it a node that lost its power is down within three seconds.
	shortestPeriod = time.Second
	// beatsPerSecond bounds what a leader has to take in. Above it the period grows with the cluster.
	beatsPerSecond = 2000
	// missedBeats is how many periods of silence make a node Down.
	missedBeats = 3
)

// periodFor is the heartbeat period of a cluster of so many nodes: what the user asked for, or else whole seconds, so
// that it changes rarely.
func periodFor(c *model.Cluster, nodes int) time.Duration {
	if c != nil {
		if p := c.Spec.Get().Dispatcher.HeartbeatPeriod; p > 0 && p != swarmPeriod {
			return p
		}
	}
	return max(shortestPeriod, time.Duration((nodes+beatsPerSecond-1)/beatsPerSecond)*time.Second)
}

// limit is how long a node may be silent.
func (m *Machine) limit() time.Duration { return missedBeats * m.period }

// setPeriod takes the heartbeat period over and tells the agents of another one.
func (m *Machine) setPeriod(now time.Time) {
	old := m.period
	m.period = periodFor(store.TheCluster(m.view), store.NodeSpecs.Len(m.view))
	if old == 0 || m.period == old {
		return
	}
	for _, n := range m.nodesInOrder() {
		if n.session == nil {
			continue
		}
		m.welcome(n.session)
		if m.period < old {
			m.grant(now, n) // it was asked to beat less often until now
		}
	}
}

package sim

import (
	"fmt"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
)

// found makes the cluster: hosts, a first manager with the cluster's first rows, and the others that join it.
func (w *world) found() {
	count := w.opts.Agents
	if count == 0 {
		count = w.opts.Managers
		if w.chance(400) {
			count += 1 + w.rng.IntN(3)
		}
	}
	w.net = newNetwork(w, count)
	for i := range count {
		w.nodes = append(w.nodes, newNode(w, w.newID(), i))
	}
	for i := range w.opts.Managers {
		w.members = append(w.members, newMember(w, uint64(i+1), w.nodes[i]))
	}
	if err := raft.Bootstrap(w.members[0].disk, addr(1)); err != nil {
		w.fail("found the log: %w", err)
		return
	}
	for _, m := range w.members {
		m.boot()
	}
	w.join()
	w.foundTables()
	for _, n := range w.nodes {
		n.boot()
	}
}

func addr(id uint64) string { return fmt.Sprintf("192.0.2.%d:2377", id) }

// join makes all managers voters.
func (w *world) join() {
	var others []raft.Member
	for _, m := range w.members[1:] {
		others = append(others, raft.Member{ID: m.id, Node: m.node.id.String(), Addr: addr(m.id)})
	}
	first := w.members[0]
	voters := func() (n int) {
		for _, s := range first.machine.Status().Members {
			if !s.Learner {
				n++
			}
		}
		return n
	}
	for asked := false; w.founding() && (voters() < len(w.members) || first.machine.Status().Joint); {
		change := raft.Change{Voters: others}
		if !asked {
			change = raft.Change{Learners: others}
		}
		if first.term != nil && first.machine.ProposeChange(change) == nil {
			asked = true
			first.raft.poke()
		}
	}
}

// foundTables commits the first rows.
func (w *world) foundTables() {
	networks := w.foundNetworks()
	w.whenLeading(func(m *member) {
		changes := []store.Change{store.Clusters.Put(&model.Cluster{ID: w.newID(), Spec: model.DocOf(w.clusterSpec()), InitialNodeID: w.nodes[0].id, Epoch: 1})}
		for _, n := range w.nodes {
			changes = append(changes, n.rows()...)
		}
		changes = append(changes, networks...)
		m.rep.Commit(&store.Batch{Writer: store.WriterInit, Changes: changes})
	})
	for done := false; !done && w.founding(); {
		done = store.TheCluster(w.view()) != nil
	}
}

// founding lets a little time pass.
func (w *world) founding() bool {
	w.runUntil(w.now().Add(100 * time.Millisecond))
	if w.now().Sub(w.start) > time.Minute {
		w.fail("a cluster in which nothing breaks was not founded within a minute")
	}
	return w.err == nil
}

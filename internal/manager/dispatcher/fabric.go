package dispatcher

import (
	"cmp"
	"maps"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// fabric is what the nodes are told of the networks, as the view has it. It is kept row by row: what the tables say of
// one task, guest, service, network or node is computed anew when a row that it follows from has changed, and nothing
// else is.
//
// Invariant: between steps it is a function of the view alone, however it came about.
type fabric struct {
	overlays map[model.ID]*overlay
	services map[model.ID]*service
	places   map[model.ID]*place            // of each task and guest that has an address
	refs     map[model.ID]map[model.ID]int  // node → network → places
	nodes    map[model.ID]*wire.FabricNode  // those that packets can be sent to
	ingress  map[model.ID]bool              // networks that every node is on
	stale    stale                          // what is to be computed anew
	changed  map[model.ID]*overlay          // since the sessions were last told, as are
	moved    map[model.ID]map[model.ID]bool // node → networks it may have come to or left, and
	renodes  map[model.ID]bool              // nodes
	fresh    map[model.ID]bool              // nodes whose session has been told nothing yet
	leaving  map[string]*leaving            // tasks that were balanced to and are to stop, by the networks they are on
	held     map[model.ID]*withdrawal       // by task
	waiting  []*withdrawal                  // oldest first
	began    bool                           // it has been computed once
	founding bool                           // it is computed for the first time
	partSize int                            // bytes in one message, about
	few      int                            // nodes of a cluster in which each is told of all others
	lean     bool                           // there may be sessions that were not told of all
	whole    map[model.ID]bool              // nodes whose sessions may have been told of all
	knowers  map[model.ID]map[model.ID]bool // node → nodes whose sessions may have been told of it, but not of all
}

// stale names what is to be computed anew. An owner is a task or a guest.
type stale struct {
	networks, nodes, owners, services map[model.ID]bool
}

func newStale() stale {
	return stale{map[model.ID]bool{}, map[model.ID]bool{}, map[model.ID]bool{}, map[model.ID]bool{}}
}

func newFabric() fabric {
	return fabric{
		overlays: map[model.ID]*overlay{}, services: map[model.ID]*service{}, places: map[model.ID]*place{},
		refs: map[model.ID]map[model.ID]int{}, nodes: map[model.ID]*wire.FabricNode{}, ingress: map[model.ID]bool{},
		stale: newStale(), changed: map[model.ID]*overlay{}, moved: map[model.ID]map[model.ID]bool{},
		renodes: map[model.ID]bool{}, fresh: map[model.ID]bool{}, leaving: map[string]*leaving{},
		held: map[model.ID]*withdrawal{}, partSize: partSize, few: fewNodes,
		whole: map[model.ID]bool{}, knowers: map[model.ID]map[model.ID]bool{},
	}
}

// staleFabric has everything computed anew: what is as it was costs the nodes nothing.
func (m *Machine) staleFabric() {
	s := &m.fabric.stale
	for id := range m.fabric.overlays {
		s.networks[id] = true
	}
	for id := range m.fabric.nodes {
		s.nodes[id] = true
	}
	for id := range m.fabric.places {
		s.owners[id] = true
	}
	for id := range m.fabric.services {
		s.services[id] = true
	}
	for r := range store.Networks.All(m.view) {
		s.networks[r.ID] = true
	}
	for r := range store.NodeStates.All(m.view) {
		s.nodes[r.ID] = true
	}
	for r := range store.Tasks.All(m.view) {
		s.owners[r.ID] = true
	}
	for r := range store.Attachments.All(m.view) {
		s.owners[r.ID] = true
	}
	for r := range store.Services.All(m.view) {
		s.services[r.ID] = true
	}
}

// fabricEvent notes what follows from a row that changed.
func (m *Machine) fabricEvent(e store.Event) {
	s := &m.fabric.stale
	switch row := cmp.Or(e.New, e.Old).(type) {
	case *model.Task:
		s.owners[row.ID] = true
	case *model.Placement:
		s.owners[row.TaskID] = true
	case *model.TaskStatus:
		s.owners[row.TaskID] = true
	case *model.Attachment:
		s.owners[row.ID] = true
	case *model.Network:
		s.networks[row.ID] = true
	case *model.Service:
		s.services[row.ID] = true
	case *model.ServiceRevision:
		s.services[row.ServiceID] = true
	case *model.Rollout:
		s.services[row.ServiceID] = true
	case *model.NodeState:
		m.nodeStateEvent(e, row.ID)
	case *model.Allocation:
		s.allocation(row)
	}
}

func (s *stale) allocation(row *model.Allocation) {
	switch row.Kind {
	case model.AllocTask, model.AllocAttachment:
		s.owners[row.Owner] = true
	case model.AllocService:
		s.services[row.Owner] = true
	case model.AllocNetwork:
		s.networks[row.Owner] = true
	case model.AllocNode:
		s.nodes[row.Owner] = true
	}
}

// nodeStateEvent has what is on a node looked at when the node is taken for dead, or not any more.
func (m *Machine) nodeStateEvent(e store.Event, id model.ID) {
	s := &m.fabric.stale
	s.nodes[id] = true
	old, _ := e.Old.(*model.NodeState)
	cur, _ := e.New.(*model.NodeState)
	if old != nil && cur != nil && (old.State == model.ReachDown) == (cur.State == model.ReachDown) {
		return
	}
	for p := range store.PlacedOn(m.view, id) {
		s.owners[p.TaskID] = true
	}
	for a := range store.GuestsOf(m.view, id) {
		s.owners[a.ID] = true
	}
}

// updateFabric brings the fabric up to the view. What owners are of is looked at after them.
func (m *Machine) updateFabric() {
	f := &m.fabric
	s := f.stale
	f.began, f.founding = true, !f.began
	if len(s.networks)+len(s.nodes)+len(s.owners)+len(s.services) == 0 {
		return
	}
	f.stale = newStale()
	for _, id := range inOrder(s.networks) {
		m.updateNetwork(id)
	}
	for _, id := range inOrder(s.nodes) {
		m.updateFabricNode(id)
	}
	for _, id := range inOrder(s.owners) {
		m.updatePlace(id)
	}
	maps.Copy(s.services, f.stale.services)
	for _, id := range inOrder(s.services) {
		m.updateService(id)
	}
	f.stale = newStale()
}

func inOrder[V any](ids map[model.ID]V) []model.ID {
	return slices.SortedFunc(maps.Keys(ids), model.ID.Compare)
}

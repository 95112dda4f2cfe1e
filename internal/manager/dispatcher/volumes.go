package dispatcher

import (
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// maxVolumes bounds what one node may say of cluster volumes.
const maxVolumes = 4096

// volumesEvent has the nodes told whose volumes may be others.
func (m *Machine) volumesEvent(e store.Event) {
	for _, row := range []store.Row{e.Old, e.New} {
		s, ok := row.(*model.VolumeState)
		if !ok || s == nil {
			continue
		}
		for i := range s.Nodes {
			if n := m.nodes[s.Nodes[i].NodeID]; n != nil && n.session != nil {
				n.session.known.volumes = false
				m.due[n.id] = true
			}
		}
	}
}

// volumes adds to a message what is to be of each cluster volume on a node, unless its agent knows.
func (m *Machine) volumes(n *node, a *wire.Assignments) {
	if n.session.known.volumes {
		return
	}
	n.session.known.volumes = true
	a.Volumes = &wire.VolumeOrders{}
	for s := range store.VolumeStates.All(m.view) {
		on, vol := s.On(n.id), store.Volumes.ByID(m.view, s.VolumeID)
		if on == nil || vol == nil || on.Phase != model.VolumePublished && on.Phase != model.VolumeNodeUnpublish {
			continue
		}
		o := &wire.VolumeOrder{
			Id: wire.Bytes(vol.ID), Name: vol.Name, Round: on.Round, Release: on.Phase == model.VolumeNodeUnpublish,
			Driver: vol.Driver(), Handle: s.Handle, Access: jsonOf(vol.Access()), VolumeContext: s.Context, PublishContext: on.Context,
		}
		// A secret that is missing, which the api prevents, is the driver's to complain about.
		o.Secrets, _ = store.VolumeSecrets(m.view, vol)
		a.Volumes.Orders = append(a.Volumes.Orders, o)
	}
}

// volumesReported takes in what a node says of its volumes.
func (m *Machine) volumesReported(n *node, r *wire.VolumeReports) {
	if len(r.Reports) > maxVolumes {
		m.counters.Malformed++
		return
	}
	row := &model.NodeVolumes{NodeID: n.id}
	for _, one := range r.Reports {
		id, err := wire.ID(one.Id)
		if err != nil {
			m.counters.Malformed++
			return
		}
		row.List = append(row.List, model.NodeVolume{VolumeID: id, Round: one.Round, Released: one.Released, Err: cut(one.Err)})
	}
	slices.SortFunc(row.List, func(a, b model.NodeVolume) int { return a.VolumeID.Compare(b.VolumeID) })
	old := n.volumes
	if old == nil {
		old = store.NodeVolumes.ByID(m.view, n.id)
	}
	switch {
	case old == nil && len(row.List) == 0, old != nil && slices.Equal(old.List, row.List):
		return
	case old != nil:
		row.Unknown = old.Unknown
	}
	n.volumes = row
	m.pending.add(store.NodeVolumes.Put(row))
}

// dropVolumesOf deletes what a node that is gone has said.
func (m *Machine) dropVolumesOf(id model.ID) {
	if n := m.nodes[id]; store.NodeVolumes.ByID(m.view, id) != nil || n != nil && n.volumes != nil {
		m.pending.add(store.NodeVolumes.Delete(model.KeyOf(id)))
	}
}

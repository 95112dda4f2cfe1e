package render

import (
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Volume is one cluster volume.
func Volume(v store.View, row *model.Volume) volume.Volume {
	spec := row.Spec.Get()
	c := &volume.ClusterVolume{ID: row.ID.String(), Spec: *row.Cluster()}
	c.Meta = swarm.Meta{Version: swarm.Version{Index: row.Index}, CreatedAt: row.CreatedAt(), UpdatedAt: row.UpdatedAt()}
	out := volume.Volume{
		ClusterVolume: c, Name: row.Name, Driver: spec.Driver, Labels: spec.Labels, Options: spec.DriverOpts, Scope: "global",
		CreatedAt: row.CreatedAt().String(),
	}
	s := store.VolumeStates.ByID(v, row.ID)
	if s == nil {
		return out
	}
	if s.Handle != "" {
		c.Info = &volume.Info{CapacityBytes: s.Capacity, VolumeContext: s.Context, VolumeID: s.Handle, AccessibleTopology: s.Topology}
	}
	for _, n := range s.Nodes {
		c.PublishStatus = append(c.PublishStatus, &volume.PublishStatus{NodeID: n.NodeID.String(), State: n.Phase.Docker(), PublishContext: n.Context})
	}
	out.Status = volumeStatus(v, row, s)
	return out
}

// volumeStatus says what stands in the way of a volume, by where: "driver", or a node. Docker says nothing of that.
func volumeStatus(v store.View, row *model.Volume, s *model.VolumeState) map[string]any {
	out := map[string]any{}
	if s.Err != "" {
		out["driver"] = s.Err
	}
	for _, n := range s.Nodes {
		words := n.Err
		if said := store.NodeVolumes.ByID(v, n.NodeID); said != nil {
			for _, one := range said.List {
				if one.VolumeID == row.ID && one.Round == n.Round && one.Err != "" {
					words = one.Err
				}
			}
		}
		if n.Phase == model.VolumeNodeUnpublish && words == "" {
			if st := store.NodeStates.ByID(v, n.NodeID); st != nil && st.State == model.ReachDown {
				words = "the node is down, and the volume's driver cannot take it from there: start the node, or remove it with docker node rm --force once it is certain that nothing runs there"
			}
		}
		if words != "" {
			out[n.NodeID.String()] = words
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// taskVolumes are the cluster volumes of a task.
func taskVolumes(p *model.Placement) (out []swarm.VolumeAttachment) {
	for _, c := range p.Chosen() {
		out = append(out, swarm.VolumeAttachment{ID: c.VolumeID.String(), Source: c.Source, Target: c.Target})
	}
	return out
}

package store

import (
	"iter"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/model"
)

// tableDef finds a table by number; nil for a number this build does not know.
func tableDef(num TableID) tableDescriptor {
	switch num {
	case Clusters.id:
		return Clusters
	case Roots.id:
		return Roots
	case NodeIdentities.id:
		return NodeIdentities
	case NodeSpecs.id:
		return NodeSpecs
	case NodeStates.id:
		return NodeStates
	case Members.id:
		return Members
	case Networks.id:
		return Networks
	case Secrets.id:
		return Secrets
	case Configs.id:
		return Configs
	case Volumes.id:
		return Volumes
	case VolumeStates.id:
		return VolumeStates
	case NodeVolumes.id:
		return NodeVolumes
	case Services.id:
		return Services
	case Revisions.id:
		return Revisions
	case Rollouts.id:
		return Rollouts
	case Slots.id:
		return Slots
	case Tasks.id:
		return Tasks
	case Allocations.id:
		return Allocations
	case Placements.id:
		return Placements
	case Attachments.id:
		return Attachments
	case Statuses.id:
		return Statuses
	case Revocations.id:
		return Revocations
	case Cursors.id:
		return Cursors
	case RootSpecs.id:
		return RootSpecs
	case ImageTags.id:
		return ImageTags
	case ImageManifests.id:
		return ImageManifests
	case ImageBlobs.id:
		return ImageBlobs
	case ImagePeers.id:
		return ImagePeers
	}
	return nil
}

// Observe returns a task's state as Docker shows it, of the rows that its stages wrote.
func Observe(v View, t *model.Task, now time.Time) model.Observed {
	p := Placements.ByID(v, t.ID)
	var node *model.NodeState
	if p != nil {
		node = NodeStates.ByID(v, p.NodeID)
	}
	return model.Observe(t, Allocations.ByID(v, t.ID), p, Statuses.ByID(v, t.ID), node, now)
}

// TheCluster returns the cluster's row, or nil before init.
func TheCluster(v View) *model.Cluster {
	for c := range Clusters.All(v) {
		return c
	}
	return nil
}

// ServiceNamed returns the service that has taken a name, in whatever case, or nil.
func ServiceNamed(v View, name string) *model.Service {
	return servicesByName.First(v, &model.Service{Name: name})
}

// ServicesBeginning yields the services whose names begin with a prefix, in whatever case.
func ServicesBeginning(v View, prefix string) iter.Seq[*model.Service] {
	lower := strings.ToLower(prefix)
	return servicesByName.while(v, &model.Service{Name: prefix},
		func(s *model.Service) bool { return strings.HasPrefix(strings.ToLower(s.Name), lower) })
}

// NetworkNamed returns the network that has taken a name, in whatever case, or nil.
func NetworkNamed(v View, name string) *model.Network {
	return networksByName.First(v, &model.Network{Name: name})
}

// NetworkByName returns the network of just that name, or nil.
func NetworkByName(v View, name string) *model.Network {
	if n := NetworkNamed(v, name); n != nil && n.Name == name {
		return n
	}
	return nil
}

// SecretNamed returns the secret that has taken a name, in whatever case, or nil.
func SecretNamed(v View, name string) *model.Secret {
	return secretsByName.First(v, &model.Secret{Name: name})
}

// ConfigNamed returns the config that has taken a name, in whatever case, or nil.
func ConfigNamed(v View, name string) *model.Config {
	return configsByName.First(v, &model.Config{Name: name})
}

// IdentityByKey returns the node whose certificate has the key of that digest, or nil.
func IdentityByKey(v View, digest []byte) *model.NodeIdentity {
	return identitiesByKey.First(v, &model.NodeIdentity{KeyDigest: digest})
}

// MemberOf returns the managers' group's member on a node, or nil.
func MemberOf(v View, node model.ID) *model.Member {
	for m := range Members.All(v) {
		if m.NodeID == node {
			return m
		}
	}
	return nil
}

// RevisionsOf yields a service's revisions.
func RevisionsOf(v View, service model.ID) iter.Seq[*model.ServiceRevision] {
	return revisionsByService.while(v, &model.ServiceRevision{ServiceID: service},
		func(r *model.ServiceRevision) bool { return r.ServiceID == service })
}

// GlobalServices yields the services that are asked to have a task on every node that suits, by id. It costs what global
// services there are, not what services.
func GlobalServices(v View) iter.Seq[*model.Service] {
	return func(yield func(*model.Service) bool) {
		for r := range globalRevisions.From(v, &model.ServiceRevision{}) {
			if svc := Services.ByID(v, r.ServiceID); svc != nil && svc.Revision == r.ID && !yield(svc) {
				return
			}
		}
	}
}

// TasksOf yields a service's tasks, ordered by slot, then node, then id.
func TasksOf(v View, service model.ID) iter.Seq[*model.Task] {
	return tasksBySlot.while(v, &model.Task{ServiceID: service}, func(t *model.Task) bool { return t.ServiceID == service })
}

// TasksOfSlot yields the tasks of one slot; for a global service slot is 0 and node names it.
func TasksOfSlot(v View, service model.ID, slot uint64, node model.ID) iter.Seq[*model.Task] {
	return tasksBySlot.while(v, &model.Task{ServiceID: service, Slot: slot, NodeID: node},
		func(t *model.Task) bool { return t.ServiceID == service && t.Slot == slot && t.NodeID == node })
}

// SlotsOf yields a service's slot rows.
func SlotsOf(v View, service model.ID) iter.Seq[*model.Slot] {
	return func(yield func(*model.Slot) bool) {
		for s := range Slots.From(v, model.KeyOf(service)) {
			if s.ServiceID != service || !yield(s) {
				return
			}
		}
	}
}

// PlacedOn yields the placements on a node.
func PlacedOn(v View, node model.ID) iter.Seq[*model.Placement] {
	return placementsByNode.while(v, &model.Placement{NodeID: node}, func(p *model.Placement) bool { return p.NodeID == node })
}

// TasksFor yields the tasks that are meant for a node whatever the scheduler says, as those of global services are.
func TasksFor(v View, node model.ID) iter.Seq[*model.Task] {
	return tasksByNode.while(v, &model.Task{NodeID: node}, func(t *model.Task) bool { return t.NodeID == node })
}

// GuestsOf walks the containers on attachable networks that a node reported.
func GuestsOf(v View, node model.ID) iter.Seq[*model.Attachment] {
	return attachmentsByNode.while(v, &model.Attachment{NodeID: node}, func(a *model.Attachment) bool { return a.NodeID == node })
}

// inUse reports whether a service's wanted or active revision refers to a network, secret or config, or a cluster volume to a
// secret; to the routing mesh's network a service does by publishing a port there. Tasks of a service that is gone do not count: they are on their
// way out.
func inUse(v View, table TableID, object model.ID) bool {
	if table == Secrets.id && VolumeWithSecret(v, object) != nil {
		return true
	}
	mesh := false
	if table == Networks.id {
		n := IngressNetwork(v)
		mesh = n != nil && n.ID == object
	}
	for svc := range Services.All(v) {
		wanted := []model.ID{svc.Revision}
		if ro := Rollouts.ByID(v, svc.ID); ro != nil && ro.Active != svc.Revision {
			wanted = append(wanted, ro.Active)
		}
		for _, id := range wanted {
			rev := Revisions.ByID(v, id)
			if rev != nil && (refersTo(rev, table, object) || mesh && len(MeshPorts(rev.Spec.Get())) > 0) {
				return true
			}
		}
	}
	return false
}

// refersTo looks an object's id, and for a network its name too, up in a revision's spec.
func refersTo(rev *model.ServiceRevision, table TableID, object model.ID) bool {
	spec, id := rev.Spec.Get(), object.String()
	c := spec.TaskTemplate.ContainerSpec
	switch table {
	case Networks.id:
		for _, n := range spec.TaskTemplate.Networks {
			if n.Target == id {
				return true
			}
		}
	case Secrets.id:
		for i := 0; c != nil && i < len(c.Secrets); i++ {
			if c.Secrets[i] != nil && c.Secrets[i].SecretID == id {
				return true
			}
		}
	case Configs.id:
		for i := 0; c != nil && i < len(c.Configs); i++ {
			if c.Configs[i] != nil && c.Configs[i].ConfigID == id {
				return true
			}
		}
	}
	return false
}

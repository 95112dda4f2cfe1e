package store

import (
	"net/netip"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/tidwall/btree"
)

// The tables the stages write.
var (
	Rollouts = rolloutTable()
	Slots    = define(13, "slot", WriterOrchestrator, slotAt,
		id(1, func(r *model.Slot) *model.ID { return &r.ServiceID }),
		number(2, func(r *model.Slot) *uint64 { return &r.Slot }),
		id(3, func(r *model.Slot) *model.ID { return &r.NodeID }),
		number(4, func(r *model.Slot) *uint32 { return &r.Attempts }),
		number(6, func(r *model.Slot) *uint32 { return &r.Streak }),
		id(9, func(r *model.Slot) *model.ID { return &r.Revision }),
		times(10, func(r *model.Slot) *[]int64 { return &r.Recent }),
	)
	Tasks = define(14, "task", WriterOrchestrator, func(k model.Key) *model.Task { return &model.Task{ID: k.A} },
		id(1, func(r *model.Task) *model.ID { return &r.ID }),
		id(2, func(r *model.Task) *model.ID { return &r.ServiceID }),
		id(3, func(r *model.Task) *model.ID { return &r.Revision }),
		id(4, func(r *model.Task) *model.ID { return &r.NodeID }),
		number(5, func(r *model.Task) *uint64 { return &r.Slot }),
		number(6, func(r *model.Task) *int64 { return &r.NotBefore }),
		number(7, func(r *model.Task) *int64 { return &r.StopAt }),
		number(8, func(r *model.Task) *model.State { return &r.Desired }),
		number(9, func(r *model.Task) *model.Reason { return &r.Reason }),
		number(10, func(r *model.Task) *uint32 { return &r.Iteration }),
		boolean(11, func(r *model.Task) *bool { return &r.Displaced }),
	).byID(func(a, b *model.Task) int { return a.ID.Compare(b.ID) }, func(r *model.Task, id model.ID) { r.ID = id }).with(tasksBySlot, tasksByNode)
	Allocations = define(15, "allocation", WriterAllocator, func(k model.Key) *model.Allocation { return &model.Allocation{Owner: k.A} },
		id(1, func(r *model.Allocation) *model.ID { return &r.Owner }),
		number(2, func(r *model.Allocation) *model.AllocKind { return &r.Kind }),
		boolean(3, func(r *model.Allocation) *bool { return &r.Done }),
		text(4, func(r *model.Allocation) *string { return &r.Err }),
		number(5, func(r *model.Allocation) *uint32 { return &r.VNI }),
		list(6, func(r *model.Allocation) *[]model.NetworkAddr { return &r.Networks }, networkAddrFields()),
		asJSON(7, func(r *model.Allocation) *[]swarm.PortConfig { return &r.Ports }, func(r *model.Allocation) bool { return len(r.Ports) == 0 }),
		opaque(8, func(r *model.Allocation) []byte { return []byte(r.Warning()) },
			func(r *model.Allocation, b []byte) error { r.SetWarning(string(b)); return nil }),
		opaque(9, func(r *model.Allocation) []byte { return []byte(r.Repaired()) },
			func(r *model.Allocation, b []byte) error { r.SetRepaired(string(b)); return nil }),
	).byID(func(a, b *model.Allocation) int { return a.Owner.Compare(b.Owner) }, func(r *model.Allocation, id model.ID) { r.Owner = id }).with(allocationsWaiting).withPostings(addresses)
	Cursors = define(20, "address cursor", WriterAllocator, func(k model.Key) *model.Cursor { return &model.Cursor{NetworkID: k.A} },
		id(1, func(r *model.Cursor) *model.ID { return &r.NetworkID }),
		addr(2, func(r *model.Cursor) *netip.Addr { return &r.Next }),
	)
	Attachments = define(19, "attachment", WriterDispatcher, func(k model.Key) *model.Attachment { return &model.Attachment{ID: k.A} },
		id(1, func(r *model.Attachment) *model.ID { return &r.ID }),
		id(2, func(r *model.Attachment) *model.ID { return &r.NodeID }),
		id(3, func(r *model.Attachment) *model.ID { return &r.NetworkID }),
		addr(4, func(r *model.Attachment) *netip.Addr { return &r.Addr }),
		asJSON(5, func(r *model.Attachment) *[]string { return &r.Names }, func(r *model.Attachment) bool { return len(r.Names) == 0 }),
	).with(attachmentsByNode)
	Placements = placementTable()
	Statuses   = define(17, "task status", WriterDispatcher, func(k model.Key) *model.TaskStatus { return &model.TaskStatus{TaskID: k.A} },
		id(1, func(r *model.TaskStatus) *model.ID { return &r.TaskID }),
		number(2, func(r *model.TaskStatus) *model.State { return &r.State }),
		number(3, func(r *model.TaskStatus) *int64 { return &r.At }),
		number(4, func(r *model.TaskStatus) *int32 { return &r.PID }),
		number(5, func(r *model.TaskStatus) *int32 { return &r.ExitCode }),
		opaque(6, containerID, func(r *model.TaskStatus, b []byte) error { return fixed(r.Container[:], b) }),
		asJSON(7, func(r *model.TaskStatus) **model.TaskDetail { return &r.Detail }, func(r *model.TaskStatus) bool { return r.Detail == nil }),
	).byID(func(a, b *model.TaskStatus) int { return a.TaskID.Compare(b.TaskID) }, func(r *model.TaskStatus, id model.ID) { r.TaskID = id })
)

// The indexes of the tables above. Tasks of one slot stand together, oldest id first; a global service's tasks have
// slot 0 and stand together by node.
var (
	tasksBySlot = &Index[model.Task]{name: "service, slot, node", cmp: func(a, b *model.Task) int {
		return compareSlots(a.ServiceID, b.ServiceID, a.Slot, b.Slot, a.NodeID, b.NodeID)
	}}
	tasksByNode = &Index[model.Task]{name: "node", cmp: func(a, b *model.Task) int { return a.NodeID.Compare(b.NodeID) },
		where: func(r *model.Task) bool { return !r.NodeID.IsZero() }}
	attachmentsByNode = &Index[model.Attachment]{name: "node", cmp: func(a, b *model.Attachment) int { return a.NodeID.Compare(b.NodeID) }}
	placementsByNode  = &Index[model.Placement]{name: "node", cmp: func(a, b *model.Placement) int { return a.NodeID.Compare(b.NodeID) },
		where: func(r *model.Placement) bool { return !r.NodeID.IsZero() }}
)

func rolloutTable() *Table[model.Rollout] {
	t := define(12, "rollout", WriterOrchestrator, func(k model.Key) *model.Rollout { return &model.Rollout{ServiceID: k.A} },
		id(1, func(r *model.Rollout) *model.ID { return &r.ServiceID }),
		id(2, func(r *model.Rollout) *model.ID { return &r.Asked }),
		number(3, func(r *model.Rollout) *uint64 { return &r.AskedIndex }),
		id(4, func(r *model.Rollout) *model.ID { return &r.Active }),
		id(5, func(r *model.Rollout) *model.ID { return &r.Previous }),
		number(6, func(r *model.Rollout) *uint64 { return &r.ActiveIndex }),
		number(7, func(r *model.Rollout) *model.RolloutState { return &r.State }),
		text(8, func(r *model.Rollout) *string { return &r.Message }),
		number(9, func(r *model.Rollout) *int64 { return &r.StartedAt }),
		number(10, func(r *model.Rollout) *int64 { return &r.CompletedAt }),
		number(11, func(r *model.Rollout) *uint32 { return &r.Total }),
		number(12, func(r *model.Rollout) *uint32 { return &r.Failures }),
		number(13, func(r *model.Rollout) *int64 { return &r.SettledAt }),
	)
	// A service's version rises when its active revision does, and only apply knows the index.
	t.onWrite = func(old, cur *model.Rollout, index uint64) {
		if old == nil || old.Active != cur.Active {
			cur.ActiveIndex = index
		} else {
			cur.ActiveIndex = old.ActiveIndex
		}
	}
	t.version = func(r *model.Rollout) uint64 { return r.ActiveIndex }
	return t
}

func placementTable() *Table[model.Placement] {
	t := define(16, "placement", WriterScheduler, func(k model.Key) *model.Placement { return &model.Placement{TaskID: k.A} },
		id(1, func(r *model.Placement) *model.ID { return &r.TaskID }),
		id(2, func(r *model.Placement) *model.ID { return &r.NodeID }),
		text(3, func(r *model.Placement) *string { return &r.Err }),
		asJSON(4, func(r *model.Placement) *[]swarm.GenericResource { return &r.Generic }, func(r *model.Placement) bool { return len(r.Generic) == 0 }),
		asJSON(5, func(r *model.Placement) **model.PlacedVolumes { return &r.Volumes }, func(r *model.Placement) bool { return r.Volumes == nil }),
	).byID(func(a, b *model.Placement) int { return a.TaskID.Compare(b.TaskID) }, func(r *model.Placement, id model.ID) { r.TaskID = id }).with(placementsByNode).withPostings(placementsByVolume)
	// A task that is stopped before it has a node counts as shut down, for good. Placements are decided over a view
	// that may be older than that, and only apply knows which of the two came first.
	t.admits = func(v View, r *model.Placement, near *btree.PathHint) bool {
		task := Tasks.byIDNear(v, r.TaskID, near)
		return task == nil || task.Desired < model.StateShutdown
	}
	return t
}

func networkAddrFields() []field[model.NetworkAddr] {
	return []field[model.NetworkAddr]{
		id(1, func(r *model.NetworkAddr) *model.ID { return &r.NetworkID }),
		prefix(2, func(r *model.NetworkAddr) *netip.Prefix { return &r.Addr }),
		addr(3, func(r *model.NetworkAddr) *netip.Addr { return &r.Gateway }),
	}
}

func containerID(r *model.TaskStatus) []byte {
	if r.Container == [32]byte{} {
		return nil
	}
	return r.Container[:]
}

// slotAt cannot tell a slot number from a node id by its type: a number leaves the first eight bytes zero, which no
// drawn id does but once in 2^64.
func slotAt(k model.Key) *model.Slot {
	if [8]byte(k.B[:8]) == [8]byte{} {
		return &model.Slot{ServiceID: k.A, Slot: keyNum(model.Key{A: k.B})}
	}
	return &model.Slot{ServiceID: k.A, NodeID: k.B}
}

package model

import (
	"net/netip"

	"github.com/moby/moby/api/types/swarm"
)

// Rollout is how far a service has come on its way to the revision asked for. Writer: orchestrator.
type Rollout struct {
	Meta
	ServiceID   ID
	Asked       ID     // the Service.Revision this rollout answers
	AskedIndex  uint64 // Service row's index when it was taken up: the same revision asked again is a new rollout
	Active      ID     // the revision new tasks are made of: Asked, or after an automatic rollback the one before
	Previous    ID     // PreviousSpec; zero when there is none
	ActiveIndex uint64 // raft index at which Active last changed; stamped by the store
	State       RolloutState
	Message     string
	StartedAt   int64 // Unix nanoseconds; 0 when no update was ever started
	CompletedAt int64
	Total       uint32 // slots to replace when the rollout started
	Failures    uint32 // tasks this rollout made that failed inside their monitoring time
	SettledAt   int64  // Unix nanoseconds when the last slot was done and the last monitoring began; 0 while there is work
}

// RolloutState is Docker's UpdateStatus.State in one byte.
type RolloutState uint8

// The states of an update.
const (
	RolloutNone RolloutState = iota // created, never updated
	RolloutUpdating
	RolloutPaused
	RolloutCompleted
	RolloutRollbackStarted
	RolloutRollbackPaused
	RolloutRollbackCompleted
)

// Swarm is Docker's name for the update state; empty when there was no update.
func (s RolloutState) Swarm() swarm.UpdateState {
	if s > RolloutRollbackCompleted {
		return "" // a newer build's
	}
	return [...]swarm.UpdateState{
		"", swarm.UpdateStateUpdating, swarm.UpdateStatePaused, swarm.UpdateStateCompleted,
		swarm.UpdateStateRollbackStarted, swarm.UpdateStateRollbackPaused, swarm.UpdateStateRollbackCompleted,
	}[s]
}

// InProgress reports whether tasks are still being replaced.
func (s RolloutState) InProgress() bool { return s == RolloutUpdating || s == RolloutRollbackStarted }

// Slot is the memory of one slot (or of one node, for a global service) that outlives its tasks: what a restart
// policy needs to count. Writer: orchestrator.
type Slot struct {
	Meta
	ServiceID ID
	Slot      uint64  // 0 for a global service
	NodeID    ID      // zero for a replicated one
	Attempts  uint32  // restarts ever, counted when the policy limits them without a window
	Recent    []int64 // Unix nanoseconds of the last restarts, oldest first, when the policy limits them in a window
	Streak    uint32  // short runs in a row, for the backoff against crash loops
	Revision  ID      // the revision the counts are about; another one starts from zero
}

// Key is the row's primary key.
func (r *Slot) Key() Key {
	if r.NodeID.IsZero() {
		return KeyPair(r.ServiceID, NumID(r.Slot))
	}
	return KeyPair(r.ServiceID, r.NodeID)
}

// Task is one intended run of a slot. Writer: orchestrator.
type Task struct {
	Meta
	ID        ID
	ServiceID ID
	Revision  ID
	NodeID    ID // the node of a global service's task; zero otherwise, the scheduler decides
	Slot      uint64
	NotBefore int64 // Unix nanoseconds: not to be started earlier (restart delay); 0 means at once
	StopAt    int64 // Unix nanoseconds when Desired left Running; 0 before
	Desired   State // Ready, Running, Complete (jobs), Shutdown or Remove
	Reason    Reason
	Displaced bool // its node offered less than is reserved there: it has to leave, though it may serve until another runs

	Iteration uint32 // of a job's task: the Service.Iteration it is a run of; four bytes, for there are many tasks
}

// Reason says why the orchestrator wants what it wants of a task.
type Reason uint8

// Why a task's desired state is what it is.
const (
	ReasonNone Reason = iota
	ReasonCreated
	ReasonRestart    // replaces a task that ended
	ReasonUpdate     // makes way for, or is of, another revision
	ReasonScaledDown // the slot is not wanted any more
	ReasonRemoved    // the service is gone
	ReasonConstraint // the node no longer satisfies the placement constraints
	ReasonDrained    // the node is being drained
	ReasonNodeGone   // the node is down or was removed
	ReasonReplaced   // a newer task took the slot
	ReasonResources  // the node no longer has the resources reserved
	ReasonVolume     // a cluster volume of it is being drained
)

// String is the reason as a user reads it.
func (r Reason) String() string {
	if r > ReasonVolume {
		return "a reason that only a newer build knows"
	}
	return [...]string{
		"", "created", "restarted by its restart policy", "replaced by an update", "service scaled down",
		"service removed", "node no longer satisfies the placement constraints", "node is being drained",
		"node is down or was removed", "replaced by a newer task of its slot", "node no longer has the resources reserved",
		"a cluster volume of it is being drained",
	}[r]
}

// AllocKind says whose allocation a row is.
type AllocKind uint8

// The owners of allocations.
const (
	AllocTask AllocKind = iota + 1
	AllocService
	AllocNetwork
	AllocNode
	AllocAttachment
)

// Allocation is what the allocator gave one owner. Writer: allocator.
type Allocation struct {
	Meta
	Owner    ID
	Networks []NetworkAddr      // of a task: its attachments; of a service: its VIPs; of a network: subnet and gateway
	Ports    []swarm.PortConfig // of a service: published ports with the numbers chosen
	VNI      uint32             // of a network
	Kind     AllocKind
	Done     bool   // false: Err says what it waits for
	Err      string // one sentence; empty when Done
	Notes    *AllocNotes
}

// AllocNotes is what few allocations have, kept apart so that those of the many tasks stay small. It is immutable.
type AllocNotes struct{ Warning, Repaired string }

// Warning says of a network that its addresses run out: one sentence, empty while there are enough.
func (r *Allocation) Warning() string { return r.noted().Warning }

// Repaired is what a leader found wrong with the row and put right, or could not: one sentence.
func (r *Allocation) Repaired() string { return r.noted().Repaired }

// SetWarning is for a row that is being made.
func (r *Allocation) SetWarning(text string) { r.note(AllocNotes{text, r.Repaired()}) }

// SetRepaired is for a row that is being made.
func (r *Allocation) SetRepaired(text string) { r.note(AllocNotes{r.Warning(), text}) }

func (r *Allocation) noted() AllocNotes {
	if r.Notes == nil {
		return AllocNotes{}
	}
	return *r.Notes
}

// note leaves the notes of other copies of the row as they are.
func (r *Allocation) note(n AllocNotes) {
	if r.Notes = nil; n != (AllocNotes{}) {
		r.Notes = &n
	}
}

// Cursor is where the search for a free address on a network goes on, so that the address of a container that has ended
// is not another's at once, while somewhere it is still taken for the old one. Writer: allocator.
type Cursor struct {
	Meta
	NetworkID ID
	Next      netip.Addr
}

// NetworkAddr is an address on a network.
type NetworkAddr struct {
	NetworkID ID
	Addr      netip.Prefix
	Gateway   netip.Addr
}

// Key is the row's primary key: an owner has at most one allocation, ids never repeat across kinds.
func (r *Allocation) Key() Key { return KeyOf(r.Owner) }

// Attachment is a container on an attachable network that no task runs: a guest. Its address is in the Allocation of the
// same owner. Writer: dispatcher.
type Attachment struct {
	Meta
	ID        ID
	NodeID    ID
	NetworkID ID
	Addr      netip.Addr // the address its user asked for; invalid: any
	Names     []string   // the container's name and its aliases on this network
}

// Placement is where the scheduler put a task, or why it could not. Writer: scheduler.
type Placement struct {
	Meta
	TaskID ID
	NodeID ID     // zero while the task is pending
	Err    string // with counts per filter; empty once placed

	Generic []swarm.GenericResource // what of the node's generic resources is the task's: counts, and values by name
	Volumes *PlacedVolumes          // its cluster volumes; nil: it has none, as most
}

// TaskStatus is what a task's agent last reported. Writer: dispatcher.
type TaskStatus struct {
	Meta
	TaskID    ID
	Container [32]byte // container id; zero before there is one
	Detail    *TaskDetail
	At        int64 // Unix nanoseconds when State was first received: a later report of the same state leaves it
	PID       int32
	ExitCode  int32
	State     State
}

// TaskDetail is what only some tasks have, kept apart so that a running one stays small.
type TaskDetail struct {
	Message string
	Err     string
	Ports   []swarm.PortConfig
	RanAt   int64 // of a terminal state: Unix nanoseconds when running was received; 0: the task never ran
}

// Keys of the rows that one id names.
func (r *Cluster) Key() Key         { return KeyOf(r.ID) }
func (r *Root) Key() Key            { return KeyOf(r.ClusterID) }
func (r *RootSpec) Key() Key        { return KeyOf(r.ClusterID) }
func (r *NodeIdentity) Key() Key    { return KeyOf(r.ID) }
func (r *Revocation) Key() Key      { return KeyOf(r.NodeID) }
func (r *NodeSpec) Key() Key        { return KeyOf(r.ID) }
func (r *NodeState) Key() Key       { return KeyOf(r.ID) }
func (r *Member) Key() Key          { return KeyOf(NumID(r.RaftID)) }
func (r *Network) Key() Key         { return KeyOf(r.ID) }
func (r *Secret) Key() Key          { return KeyOf(r.ID) }
func (r *Config) Key() Key          { return KeyOf(r.ID) }
func (r *Service) Key() Key         { return KeyOf(r.ID) }
func (r *ServiceRevision) Key() Key { return KeyOf(r.ID) }
func (r *Rollout) Key() Key         { return KeyOf(r.ServiceID) }
func (r *Task) Key() Key            { return KeyOf(r.ID) }
func (r *Cursor) Key() Key          { return KeyOf(r.NetworkID) }
func (r *Placement) Key() Key       { return KeyOf(r.TaskID) }
func (r *Attachment) Key() Key      { return KeyOf(r.ID) }
func (r *TaskStatus) Key() Key      { return KeyOf(r.TaskID) }

package model

import "github.com/moby/moby/api/types/swarm"

// State is a task state in one byte, ordered as Docker's documentation orders them: a task only moves forward.
// The numbers are on disk; they leave room as swarm's own do.
type State uint8

// Docker's task states.
const (
	StateNew       State = 0
	StatePending   State = 8  // allocated, waiting for a node
	StateAssigned  State = 16 // a node was chosen
	StateAccepted  State = 24 // the node's agent has it
	StatePreparing State = 32 // image and container are being made
	StateReady     State = 40 // may be started
	StateStarting  State = 48
	StateRunning   State = 56 // running and, where there is a healthcheck, healthy
	StateComplete  State = 64 // exited with code 0
	StateShutdown  State = 72 // stopped because it was asked to
	StateFailed    State = 80 // exited with an error, or became unhealthy
	StateRejected  State = 88 // could not be prepared or started
	StateRemove    State = 96 // only a desired state: stop it and forget it
	StateOrphaned  State = 104
)

// Terminal reports whether a task in this state will never run again.
func (s State) Terminal() bool { return s >= StateComplete }

// Swarm is Docker's name for the state.
func (s State) Swarm() swarm.TaskState {
	switch s {
	case StatePending:
		return swarm.TaskStatePending
	case StateAssigned:
		return swarm.TaskStateAssigned
	case StateAccepted:
		return swarm.TaskStateAccepted
	case StatePreparing:
		return swarm.TaskStatePreparing
	case StateReady:
		return swarm.TaskStateReady
	case StateStarting:
		return swarm.TaskStateStarting
	case StateRunning:
		return swarm.TaskStateRunning
	case StateComplete:
		return swarm.TaskStateComplete
	case StateShutdown:
		return swarm.TaskStateShutdown
	case StateFailed:
		return swarm.TaskStateFailed
	case StateRejected:
		return swarm.TaskStateRejected
	case StateRemove:
		return swarm.TaskStateRemove
	case StateOrphaned:
		return swarm.TaskStateOrphaned
	}
	return swarm.TaskStateNew
}

func (s State) String() string { return string(s.Swarm()) }

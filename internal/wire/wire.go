package wire

import (
	"context"
	"errors"
	"fmt"

	"github.com/skep-org/skep/internal/model"
)

// ErrEnded is returned by a session that has ended.
var ErrEnded = errors.New("the session with the manager has ended")

// Session is one connection to a manager as the agent holds it.
type Session interface {
	// Send hands a message over without waiting for its delivery; after the end it returns ErrEnded.
	Send(*AgentMessage) error
	// Recv is closed when the session has ended.
	Recv() <-chan *ManagerMessage
	// Close ends the session after what was sent; it may be called more than once.
	Close()
}

// Dialer opens sessions for one node.
type Dialer interface {
	Dial(context.Context) (Session, error)
}

// ID reads an id field.
func ID(b []byte) (model.ID, error) {
	var id model.ID
	if len(b) != len(id) {
		return id, fmt.Errorf("an id field of %d bytes", len(b))
	}
	copy(id[:], b)
	return id, nil
}

// Bytes is an id as a field; the zero id is an absent one.
func Bytes(id model.ID) []byte {
	if id.IsZero() {
		return nil
	}
	return id[:]
}

// The messages in the envelope of their direction.

func FromHello(m *Hello) *AgentMessage {
	return &AgentMessage{Kind: &AgentMessage_Hello{Hello: m}}
}

func FromStatuses(m *StatusBatch) *AgentMessage {
	return &AgentMessage{Kind: &AgentMessage_Statuses{Statuses: m}}
}

func FromHeartbeat(m *Heartbeat) *AgentMessage {
	return &AgentMessage{Kind: &AgentMessage_Heartbeat{Heartbeat: m}}
}

func FromDescribe(m *Describe) *AgentMessage {
	return &AgentMessage{Kind: &AgentMessage_Describe{Describe: m}}
}

func FromBye(m *Bye) *AgentMessage {
	return &AgentMessage{Kind: &AgentMessage_Bye{Bye: m}}
}

func FromWelcome(m *Welcome) *ManagerMessage {
	return &ManagerMessage{Kind: &ManagerMessage_Welcome{Welcome: m}}
}

func FromAssignments(m *Assignments) *ManagerMessage {
	return &ManagerMessage{Kind: &ManagerMessage_Assignments{Assignments: m}}
}

func FromAck(m *Ack) *ManagerMessage {
	return &ManagerMessage{Kind: &ManagerMessage_Ack{Ack: m}}
}

func FromGoodbye(m *Goodbye) *ManagerMessage {
	return &ManagerMessage{Kind: &ManagerMessage_Goodbye{Goodbye: m}}
}

func FromManagers(m *Managers) *ManagerMessage {
	return &ManagerMessage{Kind: &ManagerMessage_Managers{Managers: m}}
}

func FromPeers(m *Peers) *ManagerMessage {
	return &ManagerMessage{Kind: &ManagerMessage_Peers{Peers: m}}
}

func FromOpenLogs(m *OpenLogs) *ManagerMessage {
	return &ManagerMessage{Kind: &ManagerMessage_OpenLogs{OpenLogs: m}}
}

func FromCloseLogs(m *CloseLogs) *ManagerMessage {
	return &ManagerMessage{Kind: &ManagerMessage_CloseLogs{CloseLogs: m}}
}

func FromQuestion(m *Question) *ManagerMessage {
	return &ManagerMessage{Kind: &ManagerMessage_Question{Question: m}}
}

func FromAnswer(m *Heartbeat) *ManagerMessage {
	return &ManagerMessage{Kind: &ManagerMessage_Heartbeat{Heartbeat: m}}
}

func FromFabric(m *Fabric) *ManagerMessage {
	return &ManagerMessage{Kind: &ManagerMessage_Fabric{Fabric: m}}
}

func FromFabricApplied(m *FabricApplied) *AgentMessage {
	return &AgentMessage{Kind: &AgentMessage_FabricApplied{FabricApplied: m}}
}

func FromEncryption(m *Encryption) *AgentMessage {
	return &AgentMessage{Kind: &AgentMessage_Encryption{Encryption: m}}
}

func FromGuests(m *Guests) *AgentMessage {
	return &AgentMessage{Kind: &AgentMessage_Guests{Guests: m}}
}

func FromVolumes(m *VolumeReports) *AgentMessage {
	return &AgentMessage{Kind: &AgentMessage_Volumes{Volumes: m}}
}

package dispatcher

import (
	"encoding/json"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// maxWords bounds a report's message and error; an engine's longest are a few hundred bytes.
const maxWords = 4 << 10

// judge takes in what a session's agent has sent.
func (m *Machine) judge(now time.Time, s *session) {
	inbox := s.inbox
	s.inbox = nil
	for _, msg := range inbox {
		if m.sessions[s.id] != s || s.bye {
			return // ended by one of its own messages
		}
		if h := msg.GetHello(); h != nil && !s.welcomed {
			m.hello(now, s, h)
			continue
		}
		if !s.welcomed {
			m.end(s, wire.Goodbye_PROTOCOL, "a session opens with a hello")
			return
		}
		m.heardAgain(now, m.nodes[s.node])
		switch k := msg.Kind.(type) {
		case *wire.AgentMessage_Heartbeat:
			m.send(s, wire.FromAnswer(&wire.Heartbeat{}))
		case *wire.AgentMessage_Bye:
			m.leave(now, s, time.Duration(k.Bye.Lease))
		case *wire.AgentMessage_Statuses:
			for _, st := range k.Statuses.Statuses {
				m.report(now, s, st)
			}
			s.seq = max(s.seq, k.Statuses.Seq)
		case *wire.AgentMessage_Guests:
			m.guestsReported(m.nodes[s.node], k.Guests)
		case *wire.AgentMessage_Volumes:
			m.volumesReported(m.nodes[s.node], k.Volumes)
		case *wire.AgentMessage_Encryption:
			m.encryptionReported(m.nodes[s.node], k.Encryption)
		case *wire.AgentMessage_Describe:
			if desc, err := describe(k.Describe.Description); err == nil {
				n := m.nodes[s.node]
				m.setNode(now, n, n.state.State, n.state.Message, &desc)
			} else {
				m.counters.Malformed++
			}
		}
	}
}

// report writes one task's state down, unless it is none of the node's business or moves backwards.
func (m *Machine) report(now time.Time, s *session, st *wire.TaskStatus) {
	row, err := m.row(now, st)
	if err != nil {
		m.counters.Malformed++
		return
	}
	if store.Tasks.ByID(m.view, row.TaskID) == nil || !m.isOn(s, row.TaskID) {
		m.counters.NotPlaced++
		return
	}
	cur := m.status(row.TaskID)
	if cur != nil {
		row.Unknown = cur.Unknown
		if row.State < cur.State || cur.State.Terminal() {
			if row.State != cur.State {
				m.counters.Backwards++
			}
			return
		}
		if row.State == cur.State {
			row.At = cur.At
			if sameReport(row, cur) {
				return
			}
		}
	}
	m.ranAt(now, row, cur, st.Ran)
	m.statuses[row.TaskID] = row
	m.pending.putStatus(row)
}

// status is a task's newest status, stored or proposed; nil when nothing was ever reported.
func (m *Machine) status(task model.ID) *model.TaskStatus {
	if st := m.statuses[task]; st != nil {
		return st
	}
	return store.Statuses.ByID(m.view, task)
}

// ranAt keeps in a terminal status when the task began to run: its last running report, or, where the agent had
// nothing to report before the end, now.
func (m *Machine) ranAt(now time.Time, row, cur *model.TaskStatus, ran bool) {
	if !row.State.Terminal() {
		return
	}
	var at int64
	switch {
	case cur != nil && cur.State == model.StateRunning:
		at = cur.At
	case ran:
		at = m.stamp(now)
	default:
		return
	}
	if row.Detail == nil {
		row.Detail = &model.TaskDetail{}
	}
	row.Detail.RanAt = at
}

// isOn reports whether a task is placed on a session's node.
func (m *Machine) isOn(s *session, task model.ID) bool {
	if p := store.Placements.ByID(m.view, task); p != nil {
		return p.NodeID == s.node
	}
	_, known := s.known.tasks[task]
	return known
}

func (m *Machine) row(now time.Time, st *wire.TaskStatus) (*model.TaskStatus, error) {
	id, err := wire.ID(st.TaskId)
	if err != nil {
		return nil, err
	}
	state := model.State(st.State)
	if st.State > uint32(model.StateRejected) || state < model.StateAccepted {
		return nil, errState
	}
	row := &model.TaskStatus{TaskID: id, State: state, At: m.stamp(now), PID: st.Pid, ExitCode: st.ExitCode}
	copy(row.Container[:], st.Container)
	var ports []swarm.PortConfig
	if len(st.Ports) > 0 {
		if err := json.Unmarshal(st.Ports, &ports); err != nil {
			return nil, err
		}
	}
	if st.Message != "" || st.Err != "" || len(ports) > 0 {
		row.Detail = &model.TaskDetail{Message: cut(st.Message), Err: cut(st.Err), Ports: ports}
	}
	return row, nil
}

func cut(s string) string {
	if len(s) > maxWords {
		return s[:maxWords]
	}
	return s
}

func sameReport(a, b *model.TaskStatus) bool {
	if a.Container != b.Container || a.PID != b.PID || a.ExitCode != b.ExitCode || (a.Detail == nil) != (b.Detail == nil) {
		return false
	}
	if a.Detail == nil {
		return true
	}
	return a.Detail.Message == b.Detail.Message && a.Detail.Err == b.Detail.Err && samePorts(a.Detail.Ports, b.Detail.Ports)
}

func samePorts(a, b []swarm.PortConfig) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// dropStatus deletes the status of a task that is gone.
func (m *Machine) dropStatus(task model.ID) {
	delete(m.statuses, task)
	m.pending.dropStatus(task)
}

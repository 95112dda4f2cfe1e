package agent

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// link is the session with the manager.
type link struct {
	open      bool
	nonce     uint64
	said      bool // hello was sent
	welcomed  bool
	synced    bool // this session's full set was applied
	described bool // the manager has the newest description
	period    time.Duration
	heard     time.Time // when the manager last said something, or was first spoken to
	beat      time.Time // when the next heartbeat is due; zero: no session
	seq       uint64
	unacked   []model.ID // tasks in the batch under way; nil: there is none
	reports   []model.ID // tasks with something to report, each once
	isNoted   map[model.ID]bool
	ripe      time.Time // when the first of the passing states is to be reported after all; zero: there is none
	hangup    bool
	fabric    fabricLink
}

const (
	// helloPatience is how long a manager may take to welcome the node.
	helloPatience = 3 * time.Second
	// A manager answers heartbeats. One that is silent for two and a half periods is left: its host may have lost its
	// power, which nothing else tells soon, and another manager waits only so long for the node.
	silentHalfPeriods = 5
)

// patience is when a silent manager is left; zero: nothing is expected of one.
func (l *link) patience() time.Time {
	switch {
	case !l.open || !l.said:
		return time.Time{}
	case !l.welcomed:
		return l.heard.Add(helloPatience)
	}
	return l.heard.Add(l.period * silentHalfPeriods / 2)
}

// ripeAt is when to report passing states after all; zero: there are none, or something else has to happen first.
func (l *link) ripeAt() time.Time {
	if !l.open || !l.synced || l.unacked != nil {
		return time.Time{}
	}
	return l.ripe
}

// Connected says that a session was opened. nonce differs from that of any other session of this node.
func (m *Machine) Connected(nonce uint64) {
	m.Disconnected()
	m.link.open, m.link.nonce = true, nonce
	m.volumes.Again()
}

// Disconnected says that the session is over. What was not acknowledged is reported again in the next one.
func (m *Machine) Disconnected() {
	old := m.link
	m.link = link{reports: old.reports, isNoted: old.isNoted}
	for _, id := range old.unacked {
		if t := m.tasks[id]; t != nil && t.assigned != nil {
			t.report = true
			m.noteReport(t)
		}
	}
}

// Receive takes a message of the manager.
func (m *Machine) Receive(now time.Time, msg *wire.ManagerMessage) {
	m.link.heard = now
	switch k := msg.Kind.(type) {
	case *wire.ManagerMessage_Welcome:
		if k.Welcome.Nonce != m.link.nonce || !m.link.open {
			return
		}
		if k.Welcome.Epoch < m.set.epoch {
			m.link.hangup = true // a manager of a state that this node has left behind
			return
		}
		m.link.welcomed, m.link.period = true, time.Duration(k.Welcome.HeartbeatPeriod)
		m.link.beat = now.Add(m.link.period)
	case *wire.ManagerMessage_Assignments:
		m.receiveSet(now, k.Assignments)
	case *wire.ManagerMessage_Ack:
		if k.Ack.Seq >= m.link.seq {
			m.link.unacked = nil
		}
	case *wire.ManagerMessage_Goodbye:
		m.receiveGoodbye(k.Goodbye)
	case *wire.ManagerMessage_Peers:
		m.receivePeers(k.Peers)
	case *wire.ManagerMessage_Fabric:
		m.receiveFabric(k.Fabric)
	case *wire.ManagerMessage_OpenLogs:
		if m.link.welcomed {
			m.openLogs = append(m.openLogs, k.OpenLogs)
		}
	case *wire.ManagerMessage_CloseLogs:
		if m.link.welcomed {
			m.closeLogs = append(m.closeLogs, key(k.CloseLogs.StreamId))
		}
	case *wire.ManagerMessage_Question:
		if m.link.welcomed {
			m.questions = append(m.questions, k.Question)
		}
	}
}

// Bye is what to tell the manager before the agent ends: that the node will be back, or that it leaves for good. It is
// nil where no manager would understand it.
func (m *Machine) Bye(leaving bool) *wire.AgentMessage {
	switch {
	case !m.link.open || !m.link.welcomed:
		return nil
	case leaving:
		return wire.FromBye(&wire.Bye{})
	}
	return wire.FromBye(&wire.Bye{Lease: int64(m.opts.Lease)})
}

// receiveSet applies assignments, unless they are of a state this node has left behind or have no beginning: then
// another session has to bring better ones.
func (m *Machine) receiveSet(now time.Time, a *wire.Assignments) {
	if !m.link.welcomed || m.set.older(a) || !a.Full && !m.link.synced {
		m.link.hangup = true
		return
	}
	if err := m.assign(now, a); err != nil {
		m.link.hangup = true
		return
	}
	m.link.synced = m.link.synced || a.Full
	if m.saveAt.IsZero() {
		m.saveAt = later(now, m.saved.Add(saveEvery))
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// noteReport puts a task on the list of those to report.
func (m *Machine) noteReport(t *task) {
	if !t.report || t.assigned == nil || m.link.isNoted[t.id] {
		return
	}
	if m.link.isNoted == nil {
		m.link.isNoted = map[model.ID]bool{}
	}
	m.link.isNoted[t.id] = true
	m.link.reports = append(m.link.reports, t.id)
}

// talk says what is due to the manager. One batch of reports is under way at a time: what changes meanwhile gathers,
// so that only the latest state of a task is sent.
func (m *Machine) talk(now time.Time, out *Output) {
	l := &m.link
	if l.hangup {
		out.Hangup, l.hangup = true, false
		return
	}
	if !l.open || m.desc == nil {
		return
	}
	if at := l.patience(); !at.IsZero() && !at.After(now) {
		out.Hangup, l.heard = true, now
		if l.welcomed {
			l.beat = now.Add(l.period)
		}
		return
	}
	if !l.said {
		l.said, l.described, l.heard = true, true, now
		out.Send = append(out.Send, wire.FromHello(&wire.Hello{
			NodeId: wire.Bytes(m.opts.NodeID), Description: m.desc, Nonce: l.nonce, Epoch: m.set.epoch, Version: m.set.version,
			Underlay: m.fabric.underlay, Encrypts: true,
		}))
	}
	if !l.welcomed {
		return
	}
	if !l.described {
		l.described = true
		out.Send = append(out.Send, wire.FromDescribe(&wire.Describe{Description: m.desc}))
	}
	if l.synced && l.unacked == nil {
		if batch := m.gather(now); len(batch) > 0 {
			l.seq++
			out.Send = append(out.Send, wire.FromStatuses(&wire.StatusBatch{Seq: l.seq, Statuses: batch}))
		}
	}
	m.talkFabric(out)
	m.talkVolumes(out)
	if !l.beat.After(now) {
		l.beat = now.Add(l.period)
		out.Send = append(out.Send, wire.FromHeartbeat(&wire.Heartbeat{}))
	}
}

// gather takes the reports there are. Most tasks are through with their start in less time than it takes to tell of it: states
// that are passed are kept back for a moment, so that all managers need not write each of them down.
func (m *Machine) gather(now time.Time) []*wire.TaskStatus {
	l := &m.link
	var batch []*wire.TaskStatus
	held := l.reports[:0]
	l.ripe = time.Time{}
	for _, id := range l.reports {
		t := m.tasks[id]
		switch {
		case t == nil || !t.report || t.assigned == nil || t.state < model.StateAccepted:
			delete(l.isNoted, id)
			continue
		case m.holds(now, t):
			held = append(held, id)
			l.ripe = earliest(l.ripe, t.holdUntil)
			continue
		}
		t.report, t.holdUntil = false, time.Time{}
		delete(l.isNoted, id)
		batch = append(batch, t.status())
		l.unacked = append(l.unacked, id)
	}
	if l.reports = held; len(held) == 0 {
		l.reports, l.isNoted = nil, nil
	}
	return batch
}

// holds reports whether a task's state is kept back for now.
func (m *Machine) holds(now time.Time, t *task) bool {
	wait := m.opts.Passing
	if wait == 0 {
		wait = max(leastPassing, m.link.period/4)
	}
	if wait < 0 || !t.passing() {
		return false
	}
	if t.holdUntil.IsZero() {
		t.holdUntil = now.Add(wait)
	}
	return t.holdUntil.After(now)
}

func (t *task) status() *wire.TaskStatus {
	st := &wire.TaskStatus{
		TaskId: wire.Bytes(t.id), State: uint32(t.state), Message: t.message, Err: t.err,
		Ran: t.ran && t.state.Terminal(),
	}
	if !t.has {
		return st
	}
	if id, err := hex.DecodeString(t.container.ID); err == nil && len(id) == 32 {
		st.Container = id
	}
	if t.state >= model.StateStarting {
		st.Pid, st.ExitCode = int32(t.container.PID), int32(t.container.ExitCode)
	}
	if len(t.container.Ports) > 0 {
		st.Ports, _ = json.Marshal(t.container.Ports)
	}
	return st
}

package raft

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Member is one voter or learner.
type Member struct {
	ID      uint64 `json:"id"`
	Node    string `json:"node"` // the cluster's id of the node
	Addr    string `json:"addr"` // where other members reach it
	Learner bool   `json:"-"`    // known from raft's own configuration
}

// Change alters the members in one step. With more than one change the group passes through joint consensus.
type Change struct {
	Voters   []Member // added, or promoted from learner; new addresses of existing voters
	Learners []Member
	Remove   []uint64
}

// members is the configuration as applied: raft's own part, and the context given with each member, kept as it came so
// that fields of a newer version survive.
type members struct {
	conf    *pb.ConfState
	context map[uint64]json.RawMessage
}

// encode makes the conf change. A member given without node and address keeps those it has.
func (c Change) encode() (*pb.ConfChangeV2, error) {
	cc := &pb.ConfChangeV2{}
	var context []Member
	add := func(t pb.ConfChangeType, ms []Member) {
		for _, m := range ms {
			cc.Changes = append(cc.Changes, &pb.ConfChangeSingle{Type: t.Enum(), NodeId: new(m.ID)})
			if m.Node != "" || m.Addr != "" {
				context = append(context, m)
			}
		}
	}
	add(pb.ConfChangeAddNode, c.Voters)
	add(pb.ConfChangeAddLearnerNode, c.Learners)
	for _, id := range c.Remove {
		cc.Changes = append(cc.Changes, &pb.ConfChangeSingle{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: new(id)})
	}
	if len(cc.Changes) == 0 {
		return nil, fmt.Errorf("raft: the change of members is empty")
	}
	data, err := json.Marshal(context)
	cc.Context = data
	return cc, err
}

// check refuses what raft would panic over, or what would leave nobody to vote.
func (m *members) check(c Change) error {
	voters := map[uint64]bool{}
	for _, id := range m.conf.GetVoters() {
		voters[id] = true
	}
	seen := map[uint64]bool{}
	for _, id := range c.ids() {
		if id == 0 || seen[id] {
			return fmt.Errorf("raft: member %x is named twice or is zero in one change of members", id)
		}
		seen[id] = true
	}
	for _, v := range c.Voters {
		voters[v.ID] = true
	}
	for _, l := range c.Learners {
		delete(voters, l.ID)
	}
	for _, id := range c.Remove {
		if _, ok := m.context[id]; !ok {
			return fmt.Errorf("raft: member %x is not in the group", id)
		}
		delete(voters, id)
	}
	if len(voters) == 0 {
		return fmt.Errorf("raft: the change of members would leave nobody to vote; add a voter first")
	}
	return nil
}

// demotes: id would no longer be a voter.
func (c Change) demotes(id uint64) bool {
	return slices.Contains(c.Remove, id) || slices.ContainsFunc(c.Learners, func(m Member) bool { return m.ID == id })
}

func (c Change) ids() []uint64 {
	ids := slices.Clone(c.Remove)
	for _, m := range slices.Concat(c.Voters, c.Learners) {
		ids = append(ids, m.ID)
	}
	return ids
}

// apply takes in a conf change that raft has applied with result conf.
func (m *members) apply(cc *pb.ConfChangeV2, conf *pb.ConfState) error {
	m.conf = conf
	var context []json.RawMessage
	if len(cc.GetContext()) > 0 {
		if err := json.Unmarshal(cc.GetContext(), &context); err != nil {
			return fmt.Errorf("raft: a change of members in the log cannot be read: %w", err)
		}
	}
	for _, raw := range context {
		var one Member
		if err := json.Unmarshal(raw, &one); err != nil {
			return fmt.Errorf("raft: a member in the log cannot be read: %w", err)
		}
		m.context[one.ID] = raw
	}
	in := m.ids()
	for _, id := range in {
		if _, ok := m.context[id]; !ok {
			m.context[id] = json.RawMessage(fmt.Sprintf(`{"id":%d}`, id))
		}
	}
	maps.DeleteFunc(m.context, func(id uint64, _ json.RawMessage) bool { return !slices.Contains(in, id) })
	return nil
}

// ids are all members of the configuration, the outgoing ones of a joint one too, ascending.
func (m *members) ids() []uint64 {
	ids := slices.Concat(m.conf.GetVoters(), m.conf.GetVotersOutgoing(), m.conf.GetLearners(), m.conf.GetLearnersNext())
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (m *members) list() []Member {
	var list []Member
	for _, id := range m.ids() {
		var one Member
		if json.Unmarshal(m.context[id], &one) != nil {
			one = Member{}
		}
		one.ID = id
		one.Learner = !slices.Contains(m.conf.GetVoters(), id) && !slices.Contains(m.conf.GetVotersOutgoing(), id)
		list = append(list, one)
	}
	return list
}

func (m *members) joint() bool { return len(m.conf.GetVotersOutgoing()) > 0 }

// snapshot is the metadata of a snapshot taken at index.
func (m *members) snapshot(index, term uint64) (*pb.Snapshot, error) {
	data, err := json.Marshal(m.context)
	if err != nil {
		return nil, fmt.Errorf("raft: the members cannot be written into a snapshot: %w", err)
	}
	conf := proto.Clone(m.conf).(*pb.ConfState)
	return &pb.Snapshot{Data: data, Metadata: &pb.SnapshotMetadata{ConfState: conf, Index: new(index), Term: new(term)}}, nil
}

func membersOf(snap *pb.Snapshot) (members, error) {
	m := members{conf: &pb.ConfState{}, context: map[uint64]json.RawMessage{}}
	if snap == nil {
		return m, nil
	}
	m.conf = proto.Clone(pb.EnsureConfState(snap.GetMetadata().GetConfState())).(*pb.ConfState)
	if err := json.Unmarshal(snap.GetData(), &m.context); err != nil {
		return m, fmt.Errorf("raft: the members in the snapshot at index %d cannot be read: %w", snap.GetMetadata().GetIndex(), err)
	}
	return m, nil
}

package raft_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/skep-org/skep/internal/store/raft"
)

// cluster is several machines, their logs and the network between them, in one thread. It checks what must hold after
// every step: one history, one leader a term.
type cluster struct {
	cfg     raft.Config
	nodes   map[uint64]*node
	network []*pb.Message
	cut     map[[2]uint64]bool
	history map[uint64]string // index → data, as the first to apply it saw it
	leaders map[uint64]uint64 // term → leader
	asked   map[uint64]uint64 // token of a read → newest index applied anywhere when it was asked
	trace   strings.Builder
	life    uint64
}

type node struct {
	c     *cluster
	id    uint64
	log   *raft.MemoryLog
	m     *raft.Machine // nil: down
	write *raft.Write
	job   *raft.SnapshotJob
	sm    *recorder
}

// recorder is the state machine: all it was given, by index.
type recorder struct {
	n       *node
	applied uint64
	data    map[uint64]string
	lead    raft.Leadership
}

func newCluster(cfg raft.Config) *cluster {
	return &cluster{cfg: cfg, nodes: map[uint64]*node{}, cut: map[[2]uint64]bool{}, history: map[uint64]string{}, leaders: map[uint64]uint64{}, asked: map[uint64]uint64{}}
}

func (c *cluster) say(id uint64, format string, args ...any) {
	fmt.Fprintf(&c.trace, "%d: %s\n", id, fmt.Sprintf(format, args...))
}

func (c *cluster) ids() []uint64 { return slices.Sorted(maps.Keys(c.nodes)) }

// add makes a member with an empty log.
func (c *cluster) add(id uint64) *node {
	n := &node{c: c, id: id, log: raft.NewMemoryLog(raft.Identity{ID: id, Node: fmt.Sprint("n", id)})}
	c.nodes[id] = n
	return n
}

func (n *node) member() raft.Member {
	return raft.Member{ID: n.id, Node: fmt.Sprint("n", n.id), Addr: fmt.Sprint("addr", n.id)}
}

func (n *node) start() error {
	n.c.life++
	l, err := n.log.Load()
	if err != nil {
		return err
	}
	var body io.ReadCloser
	if l.Snapshot != nil {
		if body, err = n.log.OpenSnapshot(l.Snapshot); err != nil {
			return err
		}
	}
	cfg := n.c.cfg
	cfg.ID, cfg.Incarnation = n.id, n.c.life
	n.sm = &recorder{n: n, data: map[uint64]string{}}
	n.m, err = raft.New(cfg, n.sm, l, body)
	return err
}

// crash loses what was not synced; of a write under way all entries but the last lost ones reached the disk.
func (n *node) crash(lost int) error {
	err := n.log.Tear(n.write, lost)
	n.m, n.write, n.job = nil, nil, nil
	return err
}

// advance takes up what the machine wants done.
func (n *node) advance() error {
	if n.m == nil {
		return nil
	}
	out, err := n.m.Advance()
	if err != nil {
		return err
	}
	n.c.network = append(n.c.network, out.Messages...)
	if out.Write != nil {
		n.write = out.Write
	}
	if out.Snapshot != nil {
		n.job = out.Snapshot
	}
	for _, r := range out.Reads {
		if r.Index < n.c.asked[r.Token] || r.Index > n.sm.applied {
			panic(fmt.Sprintf("member %d, which applied %d, answers read %d at index %d; %d was applied elsewhere when it was asked", n.id, n.sm.applied, r.Token, r.Index, n.c.asked[r.Token]))
		}
		n.c.say(n.id, "read %d answered at index %d", r.Token, r.Index)
	}
	return nil
}

func (n *node) finishWrite() error {
	if n.write == nil {
		return nil
	}
	w := n.write
	n.write = nil
	if err := w.Persist(n.log); err != nil {
		return err
	}
	if err := n.m.Wrote(w); err != nil {
		return err
	}
	return n.advance()
}

func (n *node) finishJob() error {
	if n.job == nil {
		return nil
	}
	j := n.job
	n.job = nil
	n.c.say(n.id, "snapshot at %d", j.Meta.GetMetadata().GetIndex())
	if err := j.Run(n.log); err != nil {
		return err
	}
	n.m.Snapshotted(j)
	return n.advance()
}

// deliver takes message i off the network; the body of a snapshot goes ahead of its message.
func (c *cluster) deliver(i int) error { return c.take(i, false) }

// take delivers or loses message i. What became of a snapshot is reported, as a transport has to.
func (c *cluster) take(i int, lost bool) error {
	msg := c.network[i]
	c.network = slices.Delete(c.network, i, i+1)
	from, to := c.nodes[msg.GetFrom()], c.nodes[msg.GetTo()]
	lost = lost || to == nil || to.m == nil || c.cut[[2]uint64{msg.GetFrom(), msg.GetTo()}]
	if msg.GetType() == pb.MsgSnap {
		lost = lost || c.copySnapshot(from, to, msg.GetSnapshot()) != nil
		if from != nil && from.m != nil {
			from.m.SnapshotSent(msg.GetTo(), !lost)
		}
	}
	if lost {
		return nil
	}
	to.m.Step(proto.Clone(msg).(*pb.Message))
	return to.advance()
}

func (c *cluster) copySnapshot(from, to *node, meta *pb.Snapshot) error {
	body, err := from.log.OpenSnapshot(meta)
	if err != nil {
		return err
	}
	return to.log.WriteSnapshot(meta, func(w io.Writer) error {
		_, err := io.Copy(w, body)
		return err
	})
}

// stabilize does all there is to do, without time passing.
func (c *cluster) stabilize() error {
	for busy := true; busy; {
		busy = len(c.network) > 0
		for len(c.network) > 0 {
			if err := c.deliver(0); err != nil {
				return err
			}
		}
		for _, id := range c.ids() {
			n := c.nodes[id]
			if n.m == nil {
				continue
			}
			if err := n.advance(); err != nil {
				return err
			}
			busy = busy || n.write != nil || n.job != nil || len(c.network) > 0
			if err := n.finishWrite(); err != nil {
				return err
			}
			if err := n.finishJob(); err != nil {
				return err
			}
		}
	}
	return nil
}

// read asks member n, which may not answer with a state older than any that was seen before.
func (n *node) read(token uint64) {
	for _, other := range n.c.nodes {
		if other.m != nil {
			n.c.asked[token] = max(n.c.asked[token], other.sm.applied)
		}
	}
	n.m.Read(token)
}

func (c *cluster) leader() *node {
	var best *node
	for _, n := range c.nodes {
		if n.m != nil && n.sm.lead.Leading && (best == nil || n.sm.lead.Term > best.sm.lead.Term) {
			best = n
		}
	}
	return best
}

func (r *recorder) Apply(entries []raft.Entry, applied uint64) {
	for _, e := range entries {
		if old, ok := r.n.c.history[e.Index]; ok && old != string(e.Data) {
			panic(fmt.Sprintf("member %d applies %q at index %d where another applied %q", r.n.id, e.Data, e.Index, old))
		}
		if e.Index <= r.applied || e.Index > applied {
			panic(fmt.Sprintf("member %d applies %d after %d", r.n.id, e.Index, r.applied))
		}
		r.n.c.history[e.Index] = string(e.Data)
		r.data[e.Index] = string(e.Data)
		r.applied = e.Index
		r.n.c.say(r.n.id, "applies %d %s", e.Index, e.Data)
	}
	if applied < r.applied {
		panic(fmt.Sprintf("member %d applied %d, then only %d", r.n.id, r.applied, applied))
	}
	r.applied = applied
}

func (r *recorder) Configure(index, _ uint64, members []raft.Member) {
	var b strings.Builder
	for _, m := range members {
		fmt.Fprintf(&b, " %d=%s", m.ID, m.Addr)
		if m.Learner {
			b.WriteString("(learner)")
		}
	}
	r.n.c.say(r.n.id, "members at %d:%s", index, b.String())
}

func (r *recorder) Lead(l raft.Leadership) {
	if l.Leading {
		if other, ok := r.n.c.leaders[l.Term]; ok && other != r.n.id {
			panic(fmt.Sprintf("members %d and %d both lead in term %d", other, r.n.id, l.Term))
		}
		r.n.c.leaders[l.Term] = r.n.id
	}
	r.lead = l
	leading := ""
	if l.Leading {
		leading = ", which is ready"
	}
	r.n.c.say(r.n.id, "term %d, leader %d%s", l.Term, l.Leader, leading)
}

func (r *recorder) Snapshot() func(io.Writer) error {
	data, err := json.Marshal(r.data)
	return func(w io.Writer) error {
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	}
}

func (r *recorder) Restore(body io.Reader, index, _ uint64) error {
	var b bytes.Buffer
	if _, err := b.ReadFrom(body); err != nil {
		return err
	}
	r.data, r.applied = map[uint64]string{}, index
	r.n.c.say(r.n.id, "restores the snapshot at %d", index)
	return json.Unmarshal(b.Bytes(), &r.data)
}

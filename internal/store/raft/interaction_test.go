package raft_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/cockroachdb/datadriven"

	"github.com/skep-org/skep/internal/store/raft"
)

// The scripts in testdata/interaction drive several machines by hand; each says in a comment what it shows. -rewrite updates them.
func TestInteraction(t *testing.T) {
	datadriven.Walk(t, "testdata/interaction", func(t *testing.T, path string) {
		cryptotest.SetGlobalRandom(t, 1)
		c := newCluster(raft.Config{SnapshotEntries: 1 << 30, TrailingEntries: 2})
		datadriven.RunTest(t, path, func(_ *testing.T, d *datadriven.TestData) string {
			c.trace.Reset()
			if err := c.command(d); err != nil {
				fmt.Fprintf(&c.trace, "error: %v\n", err)
			}
			if c.trace.Len() == 0 {
				return "ok"
			}
			return c.trace.String()
		})
	})
}

// command runs one command; most name a member first.
func (c *cluster) command(d *datadriven.TestData) error {
	var id uint64
	var rest []string
	for i, a := range d.CmdArgs {
		if n, err := strconv.ParseUint(a.Key, 10, 64); i == 0 && err == nil {
			id = n
		} else {
			rest = append(rest, a.Key)
		}
	}
	n := c.nodes[id]
	switch d.Cmd {
	case "config":
		return c.configure(d)
	case "bootstrap":
		n = c.add(id)
		if err := raft.Bootstrap(n.log, n.member().Addr); err != nil {
			return err
		}
		return n.start()
	case "join":
		return c.add(id).start()
	case "stabilize":
		return c.stabilize()
	case "tick":
		times, err := strconv.Atoi(rest[0])
		for range times {
			n.m.Tick()
		}
		return err
	case "campaign":
		return n.m.Campaign()
	case "propose":
		for _, data := range rest {
			if err := n.m.Propose([]byte(data)); err != nil {
				return err
			}
		}
	case "change":
		return n.m.ProposeChange(c.change(rest))
	case "transfer":
		to, err := strconv.ParseUint(rest[0], 10, 64)
		if err != nil {
			return err
		}
		return n.m.Transfer(to)
	case "read":
		token, err := strconv.ParseUint(rest[0], 10, 64)
		n.read(token)
		return err
	case "crash":
		return n.crash(0)
	case "start":
		return n.start()
	case "advance":
		return n.advance()
	case "write":
		return n.finishWrite()
	case "isolate", "heal":
		c.isolate(id, d.Cmd == "isolate")
	case "status":
		c.status(n.m.Status())
	default:
		return fmt.Errorf("unknown command %s", d.Cmd)
	}
	return nil
}

func (c *cluster) configure(d *datadriven.TestData) error {
	for _, a := range d.CmdArgs {
		v, err := strconv.ParseUint(a.Vals[0], 10, 64)
		if err != nil {
			return err
		}
		switch a.Key {
		case "snapshot":
			c.cfg.SnapshotEntries = v
		case "trailing":
			c.cfg.TrailingEntries = v
		case "uncommitted":
			c.cfg.UncommittedBytes = v
		default:
			return fmt.Errorf("unknown setting %s", a.Key)
		}
	}
	return nil
}

// change reads "v2 l3 r1 p4": voter 2, learner 3, remove 1, promote 4 keeping its address.
func (c *cluster) change(args []string) (change raft.Change) {
	for _, a := range args {
		id, err := strconv.ParseUint(a[1:], 10, 64)
		if err != nil {
			panic(err)
		}
		m := (&node{id: id}).member()
		switch a[0] {
		case 'v':
			change.Voters = append(change.Voters, m)
		case 'p':
			change.Voters = append(change.Voters, raft.Member{ID: id})
		case 'l':
			change.Learners = append(change.Learners, m)
		case 'r':
			change.Remove = append(change.Remove, id)
		}
	}
	return change
}

func (c *cluster) isolate(id uint64, cut bool) {
	for other := range c.nodes {
		c.cut[[2]uint64{id, other}], c.cut[[2]uint64{other, id}] = cut, cut
	}
}

func (c *cluster) status(s raft.Status) {
	c.say(s.ID, "term %d leader %d leading %v commit %d applied %d log %d..%d snapshot %d joint %v", s.Term, s.Leader, s.Leading, s.Commit, s.Applied, s.First, s.Last, s.Snapshot, s.Joint)
	for _, m := range s.Members {
		fmt.Fprintf(&c.trace, "   %s\n", strings.TrimSpace(fmt.Sprintf("%d node %s addr %s learner %v match %d %s", m.ID, m.Node, m.Addr, m.Learner, m.Match, m.State)))
	}
}

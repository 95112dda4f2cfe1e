package agent

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// TestMachine runs the scripts in testdata: each line of input is told to the machine, then one step is made and what
// it gives out is printed. Tasks are called t1, t2, …; their service is web, its revision r1 unless said otherwise.
func TestMachine(t *testing.T) {
	datadriven.Walk(t, "testdata/machine", func(t *testing.T, path string) {
		s := &script{now: time.Unix(1000, 0), ops: map[string]OpID{}}
		s.start(t, Options{NodeID: node, Passing: -1}, nil) // each state shows, but in the script about those that are passed
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return s.run(t, d) })
	})
}

var node = model.NumID(7)

type script struct {
	m     *Machine
	now   time.Time
	ops   map[string]OpID // "prepare t1" → the operation under way
	nonce uint64
	ver   uint64
	saved []byte
}

func (s *script) start(t *testing.T, o Options, saved []byte) {
	m, err := New(o, saved)
	if err != nil {
		t.Fatal(err)
	}
	s.m = m
	s.m.Describe(swarm.NodeDescription{Hostname: "host"})
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "restart": // a new process: what was saved is all it has
		s.start(t, Options{NodeID: node, Passing: -1}, s.saved)
	case "limits":
		o := Options{NodeID: node, Passing: -1}
		if d.HasArg("passing") {
			o.Passing = 0
		}
		d.ScanArgs(t, "work", &o.Work)
		d.ScanArgs(t, "stops", &o.Stops)
		d.MaybeScanArgs(t, "together", &o.Together)
		s.start(t, o, nil)
	case "connect":
		s.nonce++
		s.m.Connected(s.nonce)
	case "disconnect":
		s.m.Disconnected()
	case "welcome":
		s.m.Receive(s.now, wire.FromWelcome(&wire.Welcome{Nonce: s.nonce, Epoch: s.epoch(t, d), HeartbeatPeriod: int64(5 * time.Second)}))
	case "answer": // to a heartbeat
		s.m.Receive(s.now, wire.FromAnswer(&wire.Heartbeat{}))
	case "peers":
		p := &wire.Peers{Manager: d.HasArg("manager"), Roots: argument(t, d, "roots"), Issuer: argument(t, d, "issuer")}
		for _, line := range lines(d.Input) {
			p.Managers = append(p.Managers, &wire.Manager{NodeId: wire.Bytes(node), Addr: line})
		}
		s.m.Receive(s.now, wire.FromPeers(p))
	case "open-logs":
		s.m.Receive(s.now, wire.FromOpenLogs(&wire.OpenLogs{StreamId: wire.Bytes(model.NumID(1))}))
	case "close-logs":
		s.m.Receive(s.now, wire.FromCloseLogs(&wire.CloseLogs{StreamId: wire.Bytes(model.NumID(1))}))
	case "fabric":
		s.fabric(t, d)
	case "applied", "refused": // by the data plane, of this session unless said otherwise
		nonce, seq := s.nonce, uint64(0)
		if d.HasArg("nonce") {
			d.ScanArgs(t, "nonce", &nonce)
		}
		if d.Cmd == "refused" {
			s.m.FabricRefused(nonce)
			break
		}
		d.ScanArgs(t, "seq", &seq)
		s.m.FabricApplied(nonce, seq)
	case "guests":
		g := &wire.Guests{Full: true}
		for _, line := range lines(d.Input) {
			g.Guests = append(g.Guests, &wire.Guest{Id: wire.Bytes(taskID(line)), Names: []string{line}})
		}
		s.m.SetGuests(g)
	case "bye":
		msg := s.m.Bye(d.HasArg("leaving"))
		if msg == nil {
			return "nothing to say\n"
		}
		return fmt.Sprintf("bye, back within %s\n", time.Duration(msg.GetBye().Lease))
	case "removed": // by a manager of some epoch
		s.m.Receive(s.now, wire.FromGoodbye(&wire.Goodbye{Reason: wire.Goodbye_NOT_A_MEMBER, Epoch: s.epoch(t, d)}))
	case "assign":
		s.m.Receive(s.now, wire.FromAssignments(s.assignments(t, d)))
	case "ack":
		var seq uint64
		d.ScanArgs(t, "seq", &seq)
		s.m.Receive(s.now, wire.FromAck(&wire.Ack{Seq: seq}))
	case "goodbye":
		s.m.Receive(s.now, wire.FromGoodbye(&wire.Goodbye{}))
	case "listing":
		s.m.Listing()
	case "listed":
		s.m.Listed(s.containers(t, d.Input))
	case "list":
		s.m.Listing()
		s.m.Listed(s.containers(t, d.Input))
	case "lost":
		s.m.Lost()
	case "changed":
		for _, c := range s.containers(t, d.Input) {
			s.m.Changed(c)
		}
	case "done":
		s.done(t, d)
	case "wait":
		var by string
		d.ScanArgs(t, "for", &by)
		dur, err := time.ParseDuration(by)
		if err != nil {
			t.Fatal(err)
		}
		s.now = s.now.Add(dur)
	case "strangers":
		var b strings.Builder
		for _, c := range s.m.Strangers() {
			fmt.Fprintln(&b, name(c.TaskID))
		}
		return b.String()
	case "step":
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
	return s.step()
}

// epoch is the manager's, 1 unless said otherwise.
func (s *script) epoch(t *testing.T, d *datadriven.TestData) uint64 {
	epoch := uint64(1)
	if d.HasArg("epoch") {
		d.ScanArgs(t, "epoch", &epoch)
	}
	return epoch
}

func (s *script) step() string {
	out, next := s.m.Step(s.now)
	var b strings.Builder
	for _, id := range out.Cancel {
		fmt.Fprintf(&b, "cancel %s\n", s.opName(id))
	}
	for _, op := range out.Ops {
		s.ops[op.Kind.String()+" "+name(op.Task)] = op.ID
		fmt.Fprintf(&b, "op %s %s\n", op.Kind, name(op.Task))
	}
	for _, msg := range out.Send {
		b.WriteString(sent(msg))
	}
	if out.Hangup {
		b.WriteString("hang up\n")
	}
	if out.Removed {
		b.WriteString("removed from the cluster\n")
	}
	if out.Peers != nil {
		fmt.Fprintf(&b, "peers %v manager=%t", out.Peers.Managers, out.Peers.Manager)
		if len(out.Peers.Issuer) > 0 {
			fmt.Fprintf(&b, " issuer=%s roots=%s", out.Peers.Issuer, out.Peers.Roots)
		}
		b.WriteString("\n")
	}
	for _, f := range out.Fabric {
		fmt.Fprintf(&b, "fabric %d: full=%t", f.Seq, f.Full)
		for _, n := range f.Networks {
			fmt.Fprintf(&b, " %s full=%t endpoints", name(key(n.Id)), n.Full)
			for _, e := range n.Endpoints {
				b.WriteString(" " + name(key(e.Id)))
			}
		}
		b.WriteString("\n")
	}
	for range out.OpenLogs {
		b.WriteString("open logs\n")
	}
	for range out.CloseLogs {
		b.WriteString("close logs\n")
	}
	if out.Save != nil {
		s.saved = out.Save
		b.WriteString("save\n")
	}
	if !next.IsZero() {
		fmt.Fprintf(&b, "next in %s\n", next.Sub(s.now))
	}
	return b.String()
}

func (s *script) opName(id OpID) string {
	for n, o := range s.ops {
		if o == id {
			return n
		}
	}
	return "?"
}

func sent(msg *wire.AgentMessage) string {
	switch k := msg.Kind.(type) {
	case *wire.AgentMessage_Hello:
		return fmt.Sprintf("hello epoch=%d version=%d\n", k.Hello.Epoch, k.Hello.Version)
	case *wire.AgentMessage_Heartbeat:
		return "heartbeat\n"
	case *wire.AgentMessage_Describe:
		return "describe\n"
	case *wire.AgentMessage_FabricApplied:
		return fmt.Sprintf("fabric applied %d of session %d\n", k.FabricApplied.Seq, k.FabricApplied.Nonce)
	case *wire.AgentMessage_Guests:
		var names []string
		for _, g := range k.Guests.Guests {
			names = append(names, g.Names[0])
		}
		return strings.TrimSpace(fmt.Sprintf("guests full=%t: %s", k.Guests.Full, strings.Join(names, " "))) + "\n"
	}
	var b strings.Builder
	batch := msg.GetStatuses()
	for _, st := range batch.Statuses {
		fmt.Fprintf(&b, "report %d: %s %s", batch.Seq, name(key(st.TaskId)), model.State(st.State))
		if st.Message != "" {
			fmt.Fprintf(&b, " message=%q", st.Message)
		}
		if st.Err != "" {
			fmt.Fprintf(&b, " err=%q", st.Err)
		}
		if st.ExitCode != 0 {
			fmt.Fprintf(&b, " code=%d", st.ExitCode)
		}
		if st.Ran {
			b.WriteString(" ran")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (s *script) done(t *testing.T, d *datadriven.TestData) {
	what := d.CmdArgs[0].Key
	tn := d.CmdArgs[1].Key
	id, ok := s.ops[what+" "+tn]
	if !ok {
		t.Fatalf("%s: no operation %s %s is under way", d.Pos, what, tn)
	}
	delete(s.ops, what+" "+tn)
	var err error
	if d.HasArg("err") {
		var text string
		d.ScanArgs(t, "err", &text)
		switch text {
		case "unavailable":
			err = fmt.Errorf("ping: %w", executor.ErrUnavailable)
		case "busy":
			err = fmt.Errorf("%w for another", executor.ErrBusy)
		case "nocontainer":
			err = executor.ErrNoContainer
		default:
			err = errors.New(text)
		}
	}
	c := executor.Container{TaskID: taskID(tn), ID: containerID(tn), Phase: executor.Created}
	if what == "start" {
		c.Phase, c.PID = executor.Running, 42
		if d.HasArg("checked") {
			c.Health = executor.HealthStarting
		}
	}
	if err != nil {
		c = executor.Container{}
	}
	s.m.Done(s.now, id, taskID(tn), c, err)
}

func (s *script) containers(t *testing.T, input string) []executor.Container {
	var list []executor.Container
	for _, line := range lines(input) {
		f := strings.Fields(line)
		c := executor.Container{TaskID: taskID(f[0]), ID: containerID(f[0])}
		switch f[1] {
		case "created":
		case "running":
			c.Phase = executor.Running
		case "starting":
			c.Phase, c.Health = executor.Running, executor.HealthStarting
		case "healthy":
			c.Phase, c.Health = executor.Running, executor.Healthy
		case "unhealthy":
			c.Phase, c.Health = executor.Running, executor.Unhealthy
		case "exited":
			c.Phase = executor.Exited
		case "gone":
			c.Phase = executor.Gone
		default:
			t.Fatalf("unknown phase %s", f[1])
		}
		if len(f) > 2 {
			fmt.Sscanf(f[2], "code=%d", &c.ExitCode)
		}
		list = append(list, c)
	}
	return list
}

func (s *script) assignments(t *testing.T, d *datadriven.TestData) *wire.Assignments {
	s.ver++
	a := &wire.Assignments{Full: d.HasArg("full"), Version: s.ver, Epoch: 1, SentAt: s.now.Add(time.Hour).UnixNano()}
	if d.HasArg("version") {
		d.ScanArgs(t, "version", &a.Version)
	}
	if d.HasArg("epoch") {
		d.ScanArgs(t, "epoch", &a.Epoch)
	}
	if a.Full {
		a.Revisions = []*wire.Revision{{Id: wire.Bytes(model.NumID(100)), Spec: []byte(`{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"web:1"}}}`)}}
	}
	for _, line := range lines(d.Input) {
		f := strings.Fields(line)
		id := taskID(f[0])
		if f[1] == "removed" {
			a.Removed = append(a.Removed, wire.Bytes(id))
			continue
		}
		w := &wire.Task{Id: wire.Bytes(id), RevisionId: wire.Bytes(model.NumID(100)), Slot: 1, Desired: uint32(state(t, f[1]))}
		for _, opt := range f[2:] {
			k, v, _ := strings.Cut(opt, "=")
			switch k {
			case "state":
				w.State = uint32(state(t, v))
			case "in":
				dur, err := time.ParseDuration(v)
				if err != nil {
					t.Fatal(err)
				}
				w.NotBefore = a.SentAt + int64(dur)
			case "ending":
				w.Ending = true
			case "rev":
				w.RevisionId = wire.Bytes(model.NumID(999))
			default:
				t.Fatalf("unknown option %s", opt)
			}
		}
		a.Tasks = append(a.Tasks, w)
	}
	return a
}

// fabric delivers a message about one network, t1, with the endpoints named.
func (s *script) fabric(t *testing.T, d *datadriven.TestData) {
	f := &wire.Fabric{Full: d.HasArg("full"), More: d.HasArg("more"), Nonce: s.nonce, Epoch: 1, Version: s.ver}
	for key, to := range map[string]*uint64{"seq": &f.Seq, "epoch": &f.Epoch, "version": &f.Version, "nonce": &f.Nonce} {
		if d.HasArg(key) {
			d.ScanArgs(t, key, to)
		}
	}
	n := &wire.FabricNetwork{Id: wire.Bytes(taskID("t1")), Full: d.HasArg("whole")}
	for _, line := range lines(d.Input) {
		n.Endpoints = append(n.Endpoints, &wire.Endpoint{Id: wire.Bytes(taskID(line))})
	}
	if len(n.Endpoints) > 0 || n.Full {
		f.Networks = append(f.Networks, n)
	}
	s.m.Receive(s.now, wire.FromFabric(f))
}

func state(t *testing.T, word string) model.State {
	for s := model.StateNew; s <= model.StateOrphaned; s += 8 {
		if s.String() == word {
			return s
		}
	}
	t.Fatalf("unknown state %s", word)
	return 0
}

func lines(s string) []string {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	return strings.Split(strings.TrimSpace(s), "\n")
}

func taskID(name string) model.ID {
	var n uint64
	fmt.Sscanf(name, "t%d", &n)
	return model.NumID(n)
}

func name(id model.ID) string { return fmt.Sprintf("t%d", id[15]) }

func containerID(task string) string {
	return strings.Repeat(fmt.Sprintf("%02x", taskID(task)[15]), 32)
}

// argument is what a command says of a thing; nil: nothing.
func argument(t *testing.T, d *datadriven.TestData, name string) []byte {
	if !d.HasArg(name) {
		return nil
	}
	var text string
	d.ScanArgs(t, name, &text)
	return []byte(text)
}

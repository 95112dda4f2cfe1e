package dispatcher

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// TestMachine runs the scripts in testdata: rows are written as the other stages would, agents' messages are
// delivered; after each command steps are made until nothing is left to do, and what is sent is printed. Tasks are
// called t1, t2, …, nodes n1, …, raft's members m1, …; the revisions r1 and r2 need the secret s1 and the config c1, r2 the network w1 too.
func TestMachine(t *testing.T) {
	datadriven.Walk(t, "testdata/machine", func(t *testing.T, path string) {
		s := newScript(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return s.run(t, d) })
	})
}

type script struct {
	store    *store.Store
	direct   store.Direct
	m        *Machine
	now      time.Time
	sessions map[string]SessionID
	seq      map[string]uint64

	fabric  bool // what nodes are told of the networks is printed
	holding bool // batches stay under way
	held    []held
}

type held struct {
	batch   *store.Batch
	pending *store.Pending
}

func newScript(t *testing.T) *script {
	s := &script{store: store.New(), now: time.Unix(1000, 0), sessions: map[string]SessionID{}, seq: map[string]uint64{}}
	s.direct = store.Direct{Store: s.store, Now: func() time.Time { return s.now }}
	s.write(t, store.WriterInit, store.Clusters.Put(&model.Cluster{ID: id("k1"), Epoch: 1}))
	secret, config := swarm.SecretSpec{Data: []byte("hush")}, swarm.ConfigSpec{Data: []byte("loud")}
	spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "web"}}
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{
		Secrets: []*swarm.SecretReference{{SecretID: id("s1").String()}}, Configs: []*swarm.ConfigReference{{ConfigID: id("c1").String()}},
	}
	spec2 := spec
	spec2.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: "front", Aliases: []string{"www"}}}
	s.write(t, store.WriterAPI,
		store.Secrets.Put(&model.Secret{ID: id("s1"), Name: "s1", Spec: model.DocOf(secret)}),
		store.Configs.Put(&model.Config{ID: id("c1"), Name: "c1", Spec: model.DocOf(config)}),
		store.Networks.Put(&model.Network{ID: id("w1"), Name: "front", Spec: model.DocOf(swarm.NetworkSpec{Attachable: true})}),
		store.Revisions.Put(&model.ServiceRevision{ID: id("r1"), Spec: model.DocOf(spec)}),
		store.Revisions.Put(&model.ServiceRevision{ID: id("r2"), Spec: model.DocOf(spec2)}),
	)
	s.m = New(s.store, s)
	s.m.Lead(1)
	return s
}

// Commit implements store.Committer.
func (s *script) Commit(b *store.Batch) *store.Pending {
	if !s.holding {
		return s.direct.Commit(b)
	}
	h := held{b, store.NewPending()}
	s.held = append(s.held, h)
	return h.pending
}

func (s *script) write(t *testing.T, w store.Writer, changes ...store.Change) {
	t.Helper()
	if _, _, err := s.direct.Commit(&store.Batch{Writer: w, Changes: changes}).Result(); err != nil {
		t.Fatal(err)
	}
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "leader": // another leader's dispatcher begins
		s.m, s.sessions, s.seq = New(s.store, s), map[string]SessionID{}, map[string]uint64{}
		s.m.Lead(2)
	case "node":
		for _, n := range names(d) {
			s.write(t, store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: id(n)}))
		}
	case "nodes": // many that nobody has heard of
		var count int
		d.ScanArgs(t, "count", &count)
		for i := range count {
			s.write(t, store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: model.NumID(uint64(100 + i))}))
		}
	case "member":
		var addr string
		d.ScanArgs(t, "addr", &addr)
		var raftID uint64
		fmt.Sscan(names(d)[0][1:], &raftID)
		s.write(t, store.WriterRaft, store.Members.Put(&model.Member{RaftID: raftID, NodeID: id(names(d)[1]), Addr: addr}))
	case "remove-member":
		var raftID uint64
		fmt.Sscan(names(d)[0][1:], &raftID)
		s.write(t, store.WriterRaft, store.Members.Delete(model.KeyOf(model.NumID(raftID))))
	case "role":
		role := model.RoleWorker
		if d.HasArg("manager") {
			role = model.RoleManager
		}
		s.write(t, store.WriterIdentity, store.NodeIdentities.Put(&model.NodeIdentity{ID: id(names(d)[0]), Role: role}))
	case "ask":
		if err := s.m.Ask(id(names(d)[0]), wire.FromOpenLogs(&wire.OpenLogs{StreamId: wire.Bytes(model.NumID(1))})); err != nil {
			return err.Error() + "\n"
		}
	case "remove-node":
		s.write(t, store.WriterAPI, store.NodeSpecs.Delete(model.KeyOf(id(names(d)[0]))))
	case "period":
		c := *store.TheCluster(s.store.View())
		var text string
		d.ScanArgs(t, "is", &text)
		c.Spec = model.DocOf(swarm.Spec{Dispatcher: swarm.DispatcherConfig{HeartbeatPeriod: duration(t, text)}})
		s.write(t, store.WriterAPI, store.Clusters.Put(&c))
	case "task", "remove-task", "place", "unplace", "allocate", "network":
		s.rows(t, d)
	case "open":
		name, on := names(d)[0], names(d)[1]
		s.sessions[name] = s.m.Open(id(on), "192.0.2.1")
	case "join": // a new node, whose agent says hello
		for _, n := range list(d) {
			s.write(t, store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: id(n)}))
			s.sessions[n] = s.m.Open(id(n), "192.0.2.1")
			s.deliver(n, wire.FromHello(&wire.Hello{NodeId: wire.Bytes(id(n)), Description: []byte(`{}`), Nonce: 5}))
		}
		s.quiet(t)
		return ""
	case "hello":
		for _, n := range list(d) {
			nodeID := s.m.sessions[s.sessions[n]].node
			hello := &wire.Hello{NodeId: wire.Bytes(nodeID), Description: []byte(`{"Hostname":"host"}`), Nonce: 5}
			if d.HasArg("underlay") {
				d.ScanArgs(t, "underlay", &hello.Underlay)
			}
			hello.Encrypts = d.HasArg("encrypts")
			s.deliver(n, wire.FromHello(hello))
		}
	case "encryption":
		e := &wire.Encryption{}
		if d.HasArg("means") {
			d.ScanArgs(t, "means", &e.Means)
		}
		if d.HasArg("sends") {
			d.ScanArgs(t, "sends", &e.Sends)
		}
		for line := range strings.Lines(d.Input) {
			k := &wire.NodeKey{Port: 51830, Key: make([]byte, 32)}
			var name string
			fmt.Sscan(line, &k.Generation, &name)
			if copy(k.Key, name); name == "short" {
				k.Key = k.Key[:5]
			}
			e.Keys = append(e.Keys, k)
		}
		s.deliver(names(d)[0], wire.FromEncryption(e))
	case "beat":
		for _, n := range list(d) {
			s.deliver(n, wire.FromHeartbeat(&wire.Heartbeat{}))
		}
	case "bye-close":
		s.deliver(names(d)[0], wire.FromBye(&wire.Bye{Lease: int64(time.Minute)}))
		s.m.Closed(s.now, s.sessions[names(d)[0]])
	case "bye":
		var lease string
		d.ScanArgs(t, "lease", &lease)
		s.deliver(names(d)[0], wire.FromBye(&wire.Bye{Lease: int64(duration(t, lease))}))
	case "report":
		s.report(t, d)
	case "close":
		s.m.Closed(s.now, s.sessions[names(d)[0]])
	case "wait": // beating names sessions whose agents go on sending heartbeats, one a second
		return s.wait(t, d)
	case "stall": // the process does not run
		var by string
		d.ScanArgs(t, "for", &by)
		s.now = s.now.Add(duration(t, by))
	case "hold":
		s.holding = true
	case "land":
		s.holding = false
		for _, h := range s.held {
			_, _, err := s.direct.Commit(h.batch).Result()
			h.pending.Resolve(0, err)
		}
		s.held = nil
	case "rows":
		return s.dump()
	case "counters":
		c := s.m.Counters()
		return fmt.Sprintf("not placed %d, backwards %d, malformed %d\n", c.NotPlaced, c.Backwards, c.Malformed)
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
	return s.settle(t)
}

func (s *script) rows(t *testing.T, d *datadriven.TestData) {
	first := names(d)[0]
	switch d.Cmd {
	case "task":
		row := &model.Task{ID: id(first), Revision: id("r1"), Slot: 1, Desired: model.StateRunning}
		if d.HasArg("rev") {
			var r string
			d.ScanArgs(t, "rev", &r)
			row.Revision = id(r)
		}
		if d.HasArg("desired") {
			var word string
			d.ScanArgs(t, "desired", &word)
			row.Desired = stateOf(t, word)
		}
		s.write(t, store.WriterOrchestrator, store.Tasks.Put(row))
	case "remove-task":
		s.write(t, store.WriterOrchestrator, store.Tasks.Delete(model.KeyOf(id(first))))
	case "place":
		row := &model.Placement{TaskID: id(first), NodeID: id(names(d)[1])}
		if d.HasArg("gpu") {
			var value string
			d.ScanArgs(t, "gpu", &value)
			row.Generic = []swarm.GenericResource{{NamedResourceSpec: &swarm.NamedGenericResource{Kind: "gpu", Value: value}}}
		}
		s.write(t, store.WriterScheduler, store.Placements.Put(row))
	case "unplace":
		s.write(t, store.WriterScheduler, store.Placements.Delete(model.KeyOf(id(first))))
	case "allocate":
		s.write(t, store.WriterAllocator, store.Allocations.Put(&model.Allocation{Owner: id(first), Kind: model.AllocTask, Done: true}))
	case "network":
		s.write(t, store.WriterAllocator, store.Allocations.Put(&model.Allocation{Owner: id(first), Kind: model.AllocNetwork, Done: true, VNI: 4096}))
	}
}

func (s *script) report(t *testing.T, d *datadriven.TestData) {
	session := names(d)[0]
	s.seq[session]++
	batch := &wire.StatusBatch{Seq: s.seq[session]}
	for line := range strings.Lines(d.Input) {
		f := strings.Fields(line)
		st := &wire.TaskStatus{TaskId: wire.Bytes(id(f[0])), State: uint32(stateOf(t, f[1]))}
		for _, opt := range f[2:] {
			switch k, v, _ := strings.Cut(opt, "="); k {
			case "err":
				st.Err = v
			case "ran":
				st.Ran = true
			case "pid":
				fmt.Sscan(v, &st.Pid)
			}
		}
		batch.Statuses = append(batch.Statuses, st)
	}
	s.deliver(session, wire.FromStatuses(batch))
}

// wait lets time pass as the machine asks for it.
func (s *script) wait(t *testing.T, d *datadriven.TestData) string {
	var by string
	d.ScanArgs(t, "for", &by)
	end := s.now.Add(duration(t, by))
	var beating []string
	if d.HasArg("beating") {
		var word string
		d.ScanArgs(t, "beating", &word)
		beating = spread(word)
	}
	beat := s.now.Add(time.Second)
	var b strings.Builder
	for {
		next := end
		if len(beating) > 0 && beat.Before(next) {
			next = beat
		}
		if !s.m.wakeAt.IsZero() && s.m.wakeAt.After(s.now) && s.m.wakeAt.Before(next) {
			next = s.m.wakeAt
		}
		s.now = next
		if len(beating) > 0 && !s.now.Before(beat) {
			for _, n := range beating {
				s.deliver(n, wire.FromHeartbeat(&wire.Heartbeat{}))
			}
			beat = s.now.Add(time.Second)
		}
		last := !s.now.Before(end)
		for line := range strings.Lines(s.settle(t)) {
			if strings.HasSuffix(line, ": heartbeat\n") || !last && strings.HasPrefix(line, "next ") {
				continue
			}
			b.WriteString(line)
		}
		if last {
			return b.String()
		}
	}
}

// quiet makes the steps there are and leaves what is sent aside.
func (s *script) quiet(t *testing.T) { s.settle(t) }

// list is a command's names; n1-n5 are five.
func list(d *datadriven.TestData) []string {
	var out []string
	for _, n := range names(d) {
		out = append(out, spread(n)...)
	}
	return out
}

func spread(word string) []string {
	from, to, ok := strings.Cut(word, "-")
	if !ok {
		return []string{word}
	}
	var a, b int
	fmt.Sscan(from[1:], &a)
	fmt.Sscan(to[1:], &b)
	var out []string
	for i := a; i <= b; i++ {
		out = append(out, fmt.Sprintf("%c%d", from[0], i))
	}
	return out
}

func duration(t *testing.T, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (s *script) deliver(session string, m *wire.AgentMessage) {
	s.m.Deliver(s.now, s.sessions[session], m)
}

// settle steps until nothing changes any more.
func (s *script) settle(t *testing.T) string {
	var b strings.Builder
	for {
		before := s.store.View().Index()
		out, next, err := s.m.Step(s.now)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out {
			s.print(&b, e)
		}
		landed := false
		select {
		case <-s.m.Landed():
			landed = true
		default:
		}
		if len(out) > 0 || landed || s.store.View().Index() != before {
			continue
		}
		if !next.IsZero() {
			fmt.Fprintf(&b, "next in %s\n", next.Sub(s.now))
		}
		return b.String()
	}
}

func (s *script) print(b *strings.Builder, e Envelope) {
	who := "?"
	for n, sid := range s.sessions {
		if sid == e.Session {
			who = n
		}
	}
	switch k := e.Msg.Kind.(type) {
	case *wire.ManagerMessage_Welcome:
		fmt.Fprintf(b, "%s: welcome nonce=%d period=%s\n", who, k.Welcome.Nonce, time.Duration(k.Welcome.HeartbeatPeriod))
	case *wire.ManagerMessage_Ack:
		fmt.Fprintf(b, "%s: ack %d\n", who, k.Ack.Seq)
	case *wire.ManagerMessage_Goodbye:
		fmt.Fprintf(b, "%s: goodbye %s: %s\n", who, k.Goodbye.Reason, k.Goodbye.Text)
	case *wire.ManagerMessage_Heartbeat:
		fmt.Fprintf(b, "%s: heartbeat\n", who)
	case *wire.ManagerMessage_Peers:
		fmt.Fprintf(b, "%s: peers:", who)
		for _, p := range k.Peers.Managers {
			fmt.Fprintf(b, " %s=%s", label(p.NodeId), p.Addr)
			if p.Leader {
				b.WriteString("(leader)")
			}
		}
		if k.Peers.Manager {
			b.WriteString(", it is a manager")
		}
		b.WriteString("\n")
	case *wire.ManagerMessage_OpenLogs:
		fmt.Fprintf(b, "%s: open logs\n", who)
	case *wire.ManagerMessage_Assignments:
		printSet(b, who, k.Assignments)
	case *wire.ManagerMessage_Fabric:
		if s.fabric {
			printFabric(b, who, k.Fabric)
		}
	}
	if e.End {
		fmt.Fprintf(b, "%s: end\n", who)
	}
}

func printSet(b *strings.Builder, who string, a *wire.Assignments) {
	kind := "change"
	if a.Full {
		kind = "full set"
	}
	fmt.Fprintf(b, "%s: %s:", who, kind)
	for _, t := range a.Tasks {
		fmt.Fprintf(b, " %s=%s", label(t.Id), model.State(t.Desired))
		if t.State != 0 {
			fmt.Fprintf(b, "(%s)", model.State(t.State))
		}
		if t.Ending {
			b.WriteString("(ending)")
		}
		b.Write(t.Generic)
	}
	list := func(verb string, ids [][]byte) {
		if len(ids) > 0 {
			b.WriteString(" " + verb)
		}
		for _, i := range ids {
			b.WriteString(" " + label(i))
		}
	}
	var with [][]byte
	for _, r := range a.Revisions {
		with = append(with, r.Id)
	}
	for _, n := range a.Networks {
		with = append(with, n.Id)
	}
	for _, o := range slices.Concat(a.Secrets, a.Configs) {
		with = append(with, o.Id)
	}
	list("with", with)
	list("removed", a.Removed)
	list("dropped", a.Dropped)
	if a.Defaults != nil {
		b.WriteString(" defaults")
	}
	b.WriteString("\n")
}

func (s *script) dump() string {
	var b strings.Builder
	for n := range store.NodeStates.All(s.store.View()) {
		fmt.Fprintf(&b, "%s %s since=%ds addr=%s", label(n.ID[:]), n.State.Swarm(), n.Since/1e9, n.Addr)
		if n.Lease != 0 {
			fmt.Fprintf(&b, " lease=%ds", n.Lease/1e9)
		}
		if n.Message != "" {
			fmt.Fprintf(&b, " %q", n.Message)
		}
		b.WriteString("\n")
	}
	for st := range store.Statuses.All(s.store.View()) {
		fmt.Fprintf(&b, "%s %s at=%ds", label(st.TaskID[:]), st.State, st.At/1e9)
		if d := st.Detail; d != nil {
			fmt.Fprintf(&b, " err=%q", d.Err)
			if d.RanAt != 0 {
				fmt.Fprintf(&b, " ran-at=%ds", d.RanAt/1e9)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func names(d *datadriven.TestData) []string {
	var list []string
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			list = append(list, a.Key)
		}
	}
	return list
}

// id makes an id of a letter and a number.
func id(name string) model.ID {
	var n uint64
	fmt.Sscan(name[1:], &n)
	i := model.NumID(n)
	i[0] = name[0]
	return i
}

func label(b []byte) string { return fmt.Sprintf("%c%d", b[0], b[15]) }

func stateOf(t *testing.T, word string) model.State {
	for s := model.StateNew; s <= model.StateOrphaned; s += 8 {
		if s.String() == word {
			return s
		}
	}
	t.Fatalf("unknown state %s", word)
	return 0
}

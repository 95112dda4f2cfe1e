package store

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
)

// TestApply: "apply writer=W" applies one entry made of its lines (put TABLE ID [name=] [uses=] [ports=], delete TABLE ID, and
// the conditions absent, present, unused, ports-free TABLE ID and at TABLE ID VERSION) and prints the outcome with the events;
// "rows" prints the tables; "restore" replaces the store by its snapshot.
func TestApply(t *testing.T) {
	datadriven.Walk(t, "testdata/apply", func(t *testing.T, path string) {
		s, index := New(), uint64(0)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "apply":
				index++
				var writer string
				d.ScanArgs(t, "writer", &writer)
				b := &Batch{}
				for w := WriterInit; w <= WriterJoin; w++ {
					if w.String() == writer {
						b.Writer = w
					}
				}
				for line := range strings.Lines(d.Input) {
					parseLine(t, b, strings.Fields(line))
				}
				e := reencode(t, b)
				e.Time = int64(100 * index)
				if d.HasArg("time") {
					d.ScanArgs(t, "time", &e.Time)
				}
				if err := s.Apply(index, e); err != nil {
					return fmt.Sprintf("%d: %v", index, err)
				}
				return fmt.Sprintf("%d: ok\n", index) + printEvents(t, s, index-1)
			case "rows":
				return printRows(s.View())
			case "restore":
				s = restored(t, s)
				return fmt.Sprintf("index %d, time %d", s.View().Index(), s.View().Now())
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

func parseLine(t *testing.T, b *Batch, f []string) {
	var n uint64
	fmt.Sscan(f[2], &n)
	id := model.NumID(n)
	var table tableDescriptor
	for _, def := range tables() {
		if strings.ReplaceAll(def.Name(), " ", "-") == f[1] {
			table = def
		}
	}
	var num TableID
	if table == nil {
		fmt.Sscan(strings.TrimPrefix(f[1], "unknown-"), &num)
	} else {
		num = table.ID()
	}
	key := model.KeyOf(id)
	switch f[0] {
	case "put":
		b.Changes = append(b.Changes, putLine(t, num, key, f[3:]))
	case "delete":
		b.Changes = append(b.Changes, Change{Table: num, Key: key})
	case "absent":
		b.Conditions = append(b.Conditions, Condition{Table: num, Key: key})
	case "present":
		b.Conditions = append(b.Conditions, Condition{Table: num, Key: key, Exists: true})
	case "unused":
		b.Conditions = append(b.Conditions, Condition{Table: num, Key: key, NoUse: true})
	case "ports-free":
		b.Conditions = append(b.Conditions, Condition{Table: num, Key: key, Ports: true})
	case "at":
		c := Condition{Table: num, Key: key}
		fmt.Sscan(f[3], &c.Version)
		b.Conditions = append(b.Conditions, c)
	default:
		t.Fatalf("unknown line %v", f)
	}
}

// parsePorts reads 80,53/udp,22/tcp/host.
func parsePorts(text string) (out []swarm.PortConfig) {
	for one := range strings.SplitSeq(text, ",") {
		f := append(strings.Split(one, "/"), "", "")
		p := swarm.PortConfig{Protocol: network.IPProtocol(f[1]), PublishMode: swarm.PortConfigPublishMode(f[2])}
		fmt.Sscan(f[0], &p.PublishedPort)
		out = append(out, p)
	}
	return out
}

func putLine(t *testing.T, num TableID, key model.Key, args []string) Change {
	name, other, desired := "", model.ID{}, model.StateRunning
	var ports []swarm.PortConfig
	for _, a := range args {
		k, v, _ := strings.Cut(a, "=")
		switch k {
		case "name":
			name = v
		case "uses", "active":
			var n uint64
			fmt.Sscan(v, &n)
			other = model.NumID(n)
		case "ports":
			ports = parsePorts(v)
		case "desired":
			desired = model.StateShutdown
		default:
			t.Fatalf("unknown argument %s", a)
		}
	}
	id := key.A
	switch num {
	case Clusters.id:
		return Clusters.Put(&model.Cluster{ID: id})
	case NodeSpecs.id:
		return NodeSpecs.Put(&model.NodeSpec{ID: id})
	case NodeIdentities.id:
		return NodeIdentities.Put(&model.NodeIdentity{ID: id, KeyDigest: []byte(name)})
	case Networks.id:
		return Networks.Put(&model.Network{ID: id, Name: name, Spec: model.DocOf(swarm.NetworkSpec{Ingress: strings.HasPrefix(name, "ingress")})})
	case Secrets.id:
		return Secrets.Put(&model.Secret{ID: id, Name: name})
	case Configs.id:
		return Configs.Put(&model.Config{ID: id, Name: name})
	case Services.id:
		return Services.Put(&model.Service{ID: id, Name: name, Revision: other})
	case Tasks.id:
		return Tasks.Put(&model.Task{ID: id, ServiceID: other, Desired: desired})
	case Placements.id:
		return Placements.Put(&model.Placement{TaskID: id, NodeID: other})
	case Allocations.id:
		return Allocations.Put(&model.Allocation{Owner: id, Kind: model.AllocService, Ports: ports})
	case Rollouts.id:
		return Rollouts.Put(&model.Rollout{ServiceID: id, Active: other, Message: name})
	case Revisions.id:
		var spec swarm.ServiceSpec
		spec.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: other.String()}}
		spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{
			Secrets: []*swarm.SecretReference{nil, {SecretID: other.String()}},
			Configs: []*swarm.ConfigReference{nil, {ConfigID: other.String()}},
		}
		if len(ports) > 0 {
			spec.EndpointSpec = &swarm.EndpointSpec{Ports: ports}
		}
		return Revisions.Put(&model.ServiceRevision{ID: id, Spec: model.DocOf(spec)})
	}
	if tableDef(num) != nil {
		t.Fatalf("no line puts a row of table %d", num)
	}
	return Change{Table: num, Key: key, raw: []byte(name)}
}

func printEvents(t *testing.T, s *Store, after uint64) string {
	events, _, ok := s.Events(after)
	if !ok {
		t.Fatal("fell behind the feed")
	}
	var out strings.Builder
	for _, e := range events {
		row, verb := e.New, "changed"
		switch {
		case e.Old == nil:
			verb = "new"
		case e.New == nil:
			row, verb = e.Old, "gone"
		}
		fmt.Fprintf(&out, "  %s %s %s\n", tableName(e.Table), row.Key().A, verb)
	}
	return out.String()
}

func printRows(v View) string {
	var out strings.Builder
	for num, tr := range v.st.trees {
		if tr == nil {
			continue
		}
		tr.scan(func(r Row) bool {
			m := r.GetMeta()
			fmt.Fprintf(&out, "%s %s: index %d, created %d, updated %d, version %d\n",
				tableName(TableID(num)), r.Key().A, m.Index, m.Created, m.Updated, tr.version(r.Key()))
			return true
		})
	}
	v.st.unknown.Scan(func(r *unknownRow) bool {
		fmt.Fprintf(&out, "table %d %s: %q, index %d, created %d, updated %d\n", r.table, r.key.A, r.raw, r.meta.Index, r.meta.Created, r.meta.Updated)
		return true
	})
	return out.String()
}

package dispatcher

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// TestFabricScripts runs the scripts in testdata/fabric: as TestMachine, with rows of the networks written by "write"
// and what the nodes are told of them printed. Service v1 is of revision r2, whose tasks join w1.
func TestFabricScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/fabric", func(t *testing.T, path string) {
		s := newScript(t)
		s.fabric = true
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "write":
				for line := range strings.Lines(d.Input) {
					s.writeLine(t, strings.Fields(line))
				}
			case "applied": // a node's data plane is as of a message
				var seq, nonce uint64 = 0, 5
				d.ScanArgs(t, "seq", &seq)
				if d.HasArg("nonce") {
					d.ScanArgs(t, "nonce", &nonce)
				}
				s.deliver(names(d)[0], wire.FromFabricApplied(&wire.FabricApplied{Nonce: nonce, Seq: seq}))
			case "guests":
				s.guests(d)
			case "parts": // messages are cut at this size
				fmt.Sscan(names(d)[0], &s.m.fabric.partSize)
			case "told":
				c := s.m.Counters()
				said := fmt.Sprintf("withdrawn %d, late %d, foreign guests %d, malformed %d\n", c.Withdrawn, c.WithdrawnLate, c.ForeignGuests, c.Malformed)
				for _, node := range s.m.Late() {
					said += "late at " + label(node[:]) + "\n"
				}
				return said
			case "attachments":
				var b strings.Builder
				for a := range store.Attachments.All(s.store.View()) {
					fmt.Fprintf(&b, "%s on %s, %s: %v", label(a.ID[:]), label(a.NodeID[:]), label(a.NetworkID[:]), a.Names)
					if a.Addr.IsValid() {
						fmt.Fprintf(&b, " asked for %s", a.Addr)
					}
					b.WriteString("\n")
				}
				return b.String()
			default:
				return s.run(t, d)
			}
			return s.settle(t)
		})
	})
}

// writeLine writes a row as its stage would.
func (s *script) writeLine(t *testing.T, f []string) {
	args := map[string]string{}
	for _, a := range f[2:] {
		k, v, _ := strings.Cut(a, "=")
		args[k] = v
	}
	row := id(f[1])
	switch f[0] {
	case "network":
		_, ingress := args["ingress"]
		spec := swarm.NetworkSpec{Ingress: ingress}
		s.write(t, store.WriterAPI, store.Networks.Put(&model.Network{ID: row, Name: "net" + f[1], Spec: model.DocOf(spec)}))
	case "remove-network":
		s.write(t, store.WriterAPI, store.Networks.Delete(model.KeyOf(row)))
	case "number":
		a := &model.Allocation{Owner: row, Kind: model.AllocNetwork, Done: true}
		fmt.Sscan(args["vni"], &a.VNI)
		s.write(t, store.WriterAllocator, store.Allocations.Put(a))
	case "service":
		s.write(t, store.WriterAPI, store.Services.Put(&model.Service{ID: row, Name: "web", Revision: id("r2")}))
	case "remove-service":
		s.write(t, store.WriterAPI, store.Services.Delete(model.KeyOf(row)))
	case "address": // of a task, service, node or guest
		kind := map[byte]model.AllocKind{'t': model.AllocTask, 'v': model.AllocService, 'n': model.AllocNode, 'g': model.AllocAttachment}
		a := &model.Allocation{Owner: row, Kind: kind[f[1][0]], Done: true}
		for _, n := range f[2:] {
			if w, addr, _ := strings.Cut(n, "="); w[0] == 'w' {
				a.Networks = append(a.Networks, model.NetworkAddr{NetworkID: id(w), Addr: netip.MustParsePrefix(addr)})
			}
		}
		if args["port"] != "" {
			p := swarm.PortConfig{PublishMode: swarm.PortConfigPublishModeIngress}
			fmt.Sscanf(args["port"], "%d:%d", &p.PublishedPort, &p.TargetPort)
			a.Ports = append(a.Ports, p)
		}
		s.write(t, store.WriterAllocator, store.Allocations.Put(a))
	case "free":
		s.write(t, store.WriterAllocator, store.Allocations.Delete(model.KeyOf(row)))
	case "task":
		desired := model.StateRunning
		if args["desired"] != "" {
			desired = stateOf(t, args["desired"])
		}
		s.write(t, store.WriterOrchestrator, store.Tasks.Put(&model.Task{ID: row, ServiceID: id("v1"), Revision: id("r2"), Slot: uint64(row[15]), Desired: desired}))
	case "remove-task":
		s.write(t, store.WriterOrchestrator, store.Tasks.Delete(model.KeyOf(row)))
	case "place":
		s.write(t, store.WriterScheduler, store.Placements.Put(&model.Placement{TaskID: row, NodeID: id(args["on"])}))
	default:
		t.Fatalf("unknown line %v", f)
	}
}

func (s *script) guests(d *datadriven.TestData) {
	g := &wire.Guests{Full: d.HasArg("full")}
	for line := range strings.Lines(d.Input) {
		f := strings.Fields(line)
		if f[1] == "gone" {
			g.Gone = append(g.Gone, wire.Bytes(id(f[0])))
			continue
		}
		guest := &wire.Guest{Id: wire.Bytes(id(f[0])), NetworkId: wire.Bytes(id(f[1])), Names: f[2:3]}
		if len(f) > 3 {
			guest.Addr = binaryOf(netip.MustParseAddr(f[3]))
		}
		if f[2] == "malformed" {
			guest.NetworkId = []byte{1}
		}
		g.Guests = append(g.Guests, guest)
	}
	s.deliver(names(d)[0], wire.FromGuests(g))
}

func printFabric(b *strings.Builder, who string, f *wire.Fabric) {
	fmt.Fprintf(b, "%s: fabric %d", who, f.Seq)
	if f.Full {
		b.WriteString(" full")
	}
	if f.More {
		b.WriteString(" more")
	}
	b.WriteString(":")
	for _, n := range f.Nodes {
		fmt.Fprintf(b, " %s=%s", label(n.Id), text(n.Underlay))
		for _, k := range n.Keys {
			fmt.Fprintf(b, " key %d %s", k.Generation, bytes.TrimRight(k.Key, "\x00"))
		}
		if n.Sends != 0 {
			fmt.Fprintf(b, " sends %d", n.Sends)
		}
		if len(n.Ingress) > 0 {
			var p netip.Prefix
			_ = p.UnmarshalBinary(n.Ingress)
			fmt.Fprintf(b, "/%s", p.Addr())
		}
		if n.Down {
			b.WriteString("(down)")
		}
	}
	gone(b, "gone nodes", f.GoneNodes)
	b.WriteString("\n")
	for _, n := range f.Networks {
		printNetwork(b, n)
	}
	if len(f.GoneNetworks) > 0 {
		b.WriteString(" ")
	}
	gone(b, "gone networks", f.GoneNetworks)
	if len(f.GoneNetworks) > 0 {
		b.WriteString("\n")
	}
}

func printNetwork(b *strings.Builder, n *wire.FabricNetwork) {
	fmt.Fprintf(b, "  %s", label(n.Id))
	if n.Full {
		b.WriteString(" full")
	}
	if n.Network != nil {
		fmt.Fprintf(b, " vni=%d", n.Network.Vni)
	}
	for _, s := range n.Services {
		fmt.Fprintf(b, " %s=%s", label(s.Id), s.Name)
		if len(s.Vip) > 0 {
			fmt.Fprintf(b, "@%s", text(s.Vip))
		}
		for _, a := range s.Aliases {
			fmt.Fprintf(b, ",%s", a)
		}
		for _, p := range s.Ports {
			fmt.Fprintf(b, ",%s:%d->%d", p.Protocol, p.Published, p.Target)
		}
	}
	gone(b, "gone services", n.GoneServices)
	for _, e := range n.Endpoints {
		fmt.Fprintf(b, " %s@%s=%s", label(e.Id), label(e.NodeId), text(e.Addr))
		if e.Serving {
			b.WriteString("(serving)")
		}
		if len(e.ServiceId) == 0 {
			fmt.Fprintf(b, "%v", e.Names)
		}
	}
	gone(b, "gone endpoints", n.GoneEndpoints)
	b.WriteString("\n")
}

func gone(b *strings.Builder, what string, ids [][]byte) {
	if len(ids) > 0 {
		b.WriteString(" " + what)
	}
	for _, i := range ids {
		b.WriteString(" " + label(i))
	}
}

func text(addr []byte) string {
	var a netip.Addr
	_ = a.UnmarshalBinary(addr)
	return a.String()
}

package network

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/skep-org/skep/internal/model"
)

// TestDiff runs the scripts in testdata/diff: they change what the managers say and which containers run, and show what
// the kernel is to do for that.
//
//	set     one line for each thing that is new or changed; the first word says what it is
//	unset   the same for things that are gone
//	sync    what is to be done since the last sync
//	fresh   what is to be done where nothing is yet
func TestDiff(t *testing.T) {
	datadriven.Walk(t, "testdata/diff", func(t *testing.T, path string) {
		s := newScript()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "set", "unset":
				for line := range strings.Lines(d.Input) {
					s.line(t, d.Cmd == "set", strings.Fields(line))
				}
				return "ok"
			case "fresh":
				return show(Diff(Plan(s.fabric, s.self, s.sandboxes(), s.settings()), nil))
			case "sync":
				next := Replan(s.have, s.fabric, s.self, s.sandboxes(), s.settings())
				ops := Diff(next, s.have)
				s.have = next
				return show(ops)
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

func show(ops []Op) string {
	var b strings.Builder
	for _, op := range ops {
		fmt.Fprintln(&b, op)
	}
	if b.Len() == 0 {
		return "nothing"
	}
	return b.String()
}

// script is what a test's lines made.
type script struct {
	fabric *Fabric
	self   model.ID
	boxes  map[string]Sandbox
	have   *Desired
	cipher *Encryption
}

func newScript() *script {
	f := NewFabric()
	f.Nodes, f.Networks = map[model.ID]Node{}, map[model.ID]*Network{}
	return &script{fabric: f, self: named("n1"), boxes: map[string]Sandbox{}}
}

// named is the id of a thing by its name.
func named(name string) (id model.ID) {
	copy(id[:], name)
	return id
}

func (s *script) settings() Settings { return Settings{MTU: 1500, Encryption: s.cipher} }

// keys reads generation:key:port, with commas.
func (a argumentMap) keys(key string) (keys Keys) {
	for i, text := range strings.Split(a[key], ",") {
		var k NodeKey
		parts := strings.Split(text, ":")
		if len(parts) == 3 {
			fmt.Sscan(parts[0]+" "+parts[2], &k.Generation, &k.Port)
			copy(k.Key[:], parts[1])
			keys[i] = k
		}
	}
	return keys
}

func (s *script) sandboxes() (all []Sandbox) {
	for _, b := range byKey(s.boxes, strings.Compare) {
		all = append(all, b)
	}
	return all
}

// line does one line: kind, name, then key=value or flags.
func (s *script) line(t *testing.T, set bool, w []string) {
	t.Helper()
	next := *s.fabric
	next.Version++
	next.Nodes, next.Networks = maps.Clone(next.Nodes), maps.Clone(next.Networks)
	s.fabric = &next
	id, arg := named(w[1]), arguments(w[2:])
	switch w[0] {
	case "node":
		delete(next.Nodes, id)
		if set {
			next.Nodes[id] = Node{ID: id, Underlay: arg.addr("underlay"), Ingress: arg.prefix("ingress"), Down: arg.is("down"), Keys: arg.keys("keys"), Sends: uint64(arg.number("sends"))}
		}
	case "own": // this node's keys, and the others' that work
		s.cipher = &Encryption{Keys: arg.keys("keys"), Live: map[Key]struct{}{}}
		for name := range strings.SplitSeq(arg["live"], ",") {
			var k Key
			copy(k[:], name)
			s.cipher.Live[k] = struct{}{}
		}
	case "network":
		delete(next.Networks, id)
		if set {
			subnet := arg.prefix("subnet")
			next.Networks[id] = &Network{
				ID: id, Name: w[1], VNI: uint32(arg.number("vni")), Subnet: subnet, Gateway: subnet.Addr().Next(), MTU: arg.number("mtu"),
				Ingress: arg.is("ingress"), Encrypted: arg.is("encrypted"), Services: map[model.ID]*Service{}, Endpoints: map[model.ID]*Endpoint{},
			}
		}
	case "service", "endpoint":
		of := *next.Networks[named(arg["on"])]
		of.Services, of.Endpoints = maps.Clone(of.Services), maps.Clone(of.Endpoints)
		delete(of.Services, id)
		delete(of.Endpoints, id)
		switch {
		case set && w[0] == "service":
			of.Services[id] = &Service{ID: id, Name: w[1], VIP: arg.addr("vip"), Ports: arg.ports("ports")}
		case set:
			of.Endpoints[id] = &Endpoint{
				ID: id, Service: named(arg["of"]), Node: named(arg["node"]), Addr: arg.addr("addr"), Serving: !arg.is("withdrawn"),
			}
		}
		next.Networks[of.ID] = &of
	case "box":
		delete(s.boxes, w[1])
		if set {
			box := Sandbox{Key: w[1], Owner: id, HostPorts: arg.ports("ports")}
			for net, addr := range arg {
				if p, err := netip.ParsePrefix(addr); err == nil {
					box.Links = append(box.Links, Link{Endpoint: id, Network: named(net), Addr: p})
				}
			}
			s.boxes[w[1]] = box
		}
	default:
		t.Fatalf("unknown thing %s", w[0])
	}
}

type argumentMap map[string]string

func arguments(words []string) argumentMap {
	all := argumentMap{}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		all[k] = v
	}
	return all
}

func (a argumentMap) is(flag string) bool { _, ok := a[flag]; return ok }

func (a argumentMap) addr(key string) netip.Addr { p, _ := netip.ParseAddr(a[key]); return p }

func (a argumentMap) prefix(key string) netip.Prefix { p, _ := netip.ParsePrefix(a[key]); return p }

func (a argumentMap) number(key string) int { n, _ := strconv.Atoi(a[key]); return n }

// ports reads published:target/protocol, with commas.
func (a argumentMap) ports(key string) (all []Port) {
	for text := range strings.SplitSeq(a[key], ",") {
		var p Port
		if _, err := fmt.Sscanf(strings.ReplaceAll(text, "/", " "), "%d:%d %s", &p.Published, &p.Target, &p.Protocol); err == nil {
			all = append(all, p)
		}
	}
	return all
}

// number is the id of the n-th thing of a kind.
func number(kind byte, n int) (id model.ID) {
	id[0] = kind
	binary.BigEndian.PutUint32(id[12:], uint32(n))
	return id
}

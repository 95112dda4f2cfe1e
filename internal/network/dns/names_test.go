package dns

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/miekg/dns"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
)

// TestNames asks what is written in testdata/names. A network's lines are its services, tasks and guests, each with its
// fields; to give a network anew is to replace it.
func TestNames(t *testing.T) {
	datadriven.Walk(t, "testdata/names", func(t *testing.T, path string) {
		w := &world{fabric: network.NewFabric()}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "network":
				n := w.network(t, d)
				next := *w.fabric
				next.Networks = map[model.ID]*network.Network{n.ID: n}
				for id, other := range w.fabric.Networks {
					if id != n.ID {
						next.Networks[id] = other
					}
				}
				w.fabric = &next
			case "asker":
				w.asker(t, d)
			case "ask":
				w.zones = MakeZones(w.zones, w.fabric, w.askers)
				return w.ask(d)
			default:
				d.Fatalf(t, "no such command")
			}
			return ""
		})
	})
}

type world struct {
	fabric *network.Fabric
	askers []Asker
	names  []string // of the askers
	zones  *Zones
}

func idOf(name string) model.ID {
	sum := sha256.Sum256([]byte(name))
	return model.ID(sum[:16])
}

func (w *world) network(t *testing.T, d *datadriven.TestData) *network.Network {
	var name, subnet string
	d.ScanArgs(t, "name", &name)
	d.ScanArgs(t, "subnet", &subnet)
	n := &network.Network{
		ID: idOf(name), Name: name, Subnet: netip.MustParsePrefix(subnet), Internal: d.HasArg("internal"), Ingress: d.HasArg("ingress"),
		Services: map[model.ID]*network.Service{}, Endpoints: map[model.ID]*network.Endpoint{},
	}
	n.Gateway = n.Subnet.Addr().Next()
	for line := range strings.Lines(d.Input) {
		words := strings.Fields(line)
		fields := map[string]string{}
		for _, word := range words[2:] {
			key, value, _ := strings.Cut(word, "=")
			fields[key] = value
		}
		addr := func(key string) (a netip.Addr) {
			if fields[key] != "" {
				a = netip.MustParseAddr(fields[key])
			}
			return a
		}
		list := func(key string) []string {
			return strings.FieldsFunc(fields[key], func(r rune) bool { return r == ',' })
		}
		id := idOf(words[0] + words[1])
		switch words[0] {
		case "service":
			n.Services[id] = &network.Service{ID: id, Name: words[1], VIP: addr("vip"), Aliases: list("aliases")}
		case "task", "guest":
			_, serving := fields["serving"]
			e := &network.Endpoint{ID: id, Addr: addr("addr"), Serving: serving, Names: append([]string{words[1]}, list("names")...)}
			if words[0] == "task" {
				e.Service = idOf("service" + fields["of"])
			}
			n.Endpoints[id] = e
		default:
			d.Fatalf(t, "no such thing on a network: %s", line)
		}
	}
	return n
}

func (w *world) asker(t *testing.T, d *datadriven.TestData) {
	var name string
	var on []string
	d.ScanArgs(t, "name", &name)
	d.ScanArgs(t, "on", &on)
	a := Asker{Ready: !d.HasArg("starting"), Outside: d.HasArg("outside")}
	for _, place := range on {
		network, addr, _ := strings.Cut(place, ":")
		a.Sandbox.Links = append(a.Sandbox.Links, linkTo(network, addr))
	}
	if d.HasArg("dns") {
		var servers []string
		d.ScanArgs(t, "dns", &servers)
		for _, s := range servers {
			a.Upstreams = append(a.Upstreams, netip.AddrPortFrom(netip.MustParseAddr(s), portDNS))
		}
	}
	w.askers, w.names = append(w.askers, a), append(w.names, name)
}

func linkTo(name, addr string) network.Link {
	return network.Link{Network: idOf(name), Endpoint: idOf(addr), Addr: netip.PrefixFrom(netip.MustParseAddr(addr), 24)}
}

// ask answers the queries in the input as the asker named in the arguments.
func (w *world) ask(d *datadriven.TestData) string {
	i := slices.Index(w.names, d.CmdArgs[0].Key)
	link := w.askers[i].Sandbox.Links[0]
	var out strings.Builder
	for line := range strings.Lines(d.Input) {
		words := append(strings.Fields(line), "A")
		q := new(dns.Msg).SetQuestion(dns.Fqdn(words[0]), dns.StringToType[words[1]])
		a := w.zones.askers[place{link.Network, link.Addr.Addr()}]
		fmt.Fprintf(&out, "%s %s: %s\n", words[0], words[1], w.said(a, w.zones.answer(a, q, 0)))
	}
	return out.String()
}

func (w *world) said(a *asker, r *dns.Msg) string {
	switch {
	case a == nil:
		return "asker unknown"
	case r == nil && a.closed:
		return "not asked of anybody"
	case r == nil && len(a.upstreams) > 0:
		return fmt.Sprintf("asked of %s", a.upstreams)
	case r == nil:
		return "asked of the host's servers"
	case r.Rcode != dns.RcodeSuccess:
		return dns.RcodeToString[r.Rcode]
	case len(r.Answer) == 0:
		return "nothing"
	}
	var all []string
	for _, rr := range r.Answer {
		all = append(all, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

package sim

import (
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	fabrics "github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// plane is a node's data plane as far as the managers can tell: what the kernel balances to, which outlives the agent,
// and the containers on the cluster's networks that no task runs.
type plane struct {
	n      *node
	fabric *fabrics.Fabric // what the kernel is as of
	last   time.Time       // when the newest message will have been carried out
	guests []*wire.Guest
}

// simNetworks are the networks of a cluster: two that services join, and the one that published ports are on.
func (w *world) foundNetworks() []store.Change {
	var rows []store.Change
	for _, name := range []string{"front", "back", "ingress"} {
		id := w.newID()
		spec := swarm.NetworkSpec{
			Annotations: swarm.Annotations{Name: name}, Attachable: true, Ingress: name == "ingress",
			DriverConfiguration: &swarm.Driver{Name: "overlay"},
		}
		if spec.Ingress {
			spec.Attachable = false
		} else {
			w.networks = append(w.networks, id)
		}
		rows = append(rows, store.Networks.Put(&model.Network{ID: id, Name: name, Spec: model.DocOf(spec)}))
	}
	return rows
}

// take carries out, some time later, what the managers say of the networks; what was said first is carried out first.
func (p *plane) take(f *wire.Fabric) {
	w, n := p.n.w, p.n
	delay := w.soon()
	if !w.calm && w.chance(5) {
		delay = w.upTo(3 * time.Second) // its machine has better things to do
	}
	at := w.now().Add(delay)
	if at.Before(p.last) {
		at = p.last
	}
	p.last = at
	w.after(at.Sub(w.now()), n.proc.do(func() {
		next, err := p.fabric.Apply(f)
		if err != nil {
			w.trace("%s: %v", n.name, err)
			n.agent.FabricRefused(f.Nonce)
			n.act.poke()
			return
		}
		p.fabric = next
		n.agent.FabricApplied(f.Nonce, f.Seq)
		n.act.poke()
	}))
}

// tell has the agent know of the guests.
func (p *plane) tell() {
	if p.n.agent != nil {
		p.n.agent.SetGuests(&wire.Guests{Full: true, Guests: append([]*wire.Guest(nil), p.guests...)})
		p.n.act.poke()
	}
}

// guestActs starts a container on a network that no task runs, or ends one.
func (w *world) guestActs() {
	p := w.anyNode().plane
	if i := w.rng.IntN(3); i < len(p.guests) {
		p.guests = append(p.guests[:i:i], p.guests[i+1:]...)
	} else {
		p.guests = append(p.guests, &wire.Guest{
			Id: wire.Bytes(w.newID()), NetworkId: wire.Bytes(w.networks[w.rng.IntN(len(w.networks))]), Names: []string{"guest"},
		})
	}
	p.n.proc.do(p.tell)()
}

// joinNetworks draws the networks and the published port of a service.
func (w *world) joinNetworks(spec *swarm.ServiceSpec) {
	spec.TaskTemplate.Networks, spec.EndpointSpec = nil, &swarm.EndpointSpec{Mode: swarm.ResolutionModeVIP}
	for _, id := range w.networks {
		if w.chance(400) {
			spec.TaskTemplate.Networks = append(spec.TaskTemplate.Networks, swarm.NetworkAttachmentConfig{Target: id.String(), Aliases: []string{"alias"}})
		}
	}
	if w.chance(300) {
		spec.EndpointSpec.Ports = []swarm.PortConfig{{Protocol: "tcp", TargetPort: 80, PublishMode: swarm.PortConfigPublishModeIngress}}
	}
}

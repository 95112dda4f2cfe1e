package dataplane

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
)

// changePatience is how long one key may take to take the place of another before somebody is told: among nodes that are
// reached it is some seconds, and one that is restarted is back by then.
const changePatience = time.Minute

// sayStuck logs, once for each set of nodes, that a change of keys does not come to its end, and that it has.
func (p *Plane) sayStuck(now time.Time, f *network.Fabric) {
	why := p.stuck(now, f)
	if why == p.ring.stuck {
		return
	}
	switch {
	case why != "":
		p.cfg.Log.Warn("the change of keys of encrypted networks does not come to its end; packets go on by the older keys", "why", why)
	case !p.ring.Changing():
		p.cfg.Log.Info("the change of keys of encrypted networks has come to its end")
	}
	p.ring.stuck = why
}

// stuck says because of whom the older of two keys has been kept for too long; empty: it has not.
func (p *Plane) stuck(now time.Time, f *network.Fabric) string {
	if !p.ring.Changing() || now.Sub(p.ring.Made) < changePatience {
		return ""
	}
	var whys []string
	for _, h := range p.ring.Holdups(f, p.cfg.Self, p.InForce()) {
		who := nodeNamed(f, h.Node)
		switch {
		case h.Behind:
			whys = append(whys, who+" has not made a new key")
		case h.Node == p.cfg.Self && len(h.Towards) == 0: // because of those that have no new key
		case h.Node == p.cfg.Self:
			var towards []string
			for _, id := range h.Towards {
				towards = append(towards, nodeNamed(f, id))
			}
			whys = append(whys, fmt.Sprintf("this node hears nothing by the new key (UDP port %d) from %s", p.ring.Keys[1].Port, strings.Join(towards, ", ")))
		default:
			whys = append(whys, who+" still sends by the older key")
		}
	}
	return strings.Join(whys, "; ")
}

func nodeNamed(f *network.Fabric, id model.ID) string {
	n := f.Nodes[id]
	if n.Down {
		return "node " + n.Underlay.String() + ", which is taken for dead"
	}
	return "node " + n.Underlay.String()
}

// checkKeys finds what keeps encrypted networks from being carried, or their keys from being changed.
func (p *Plane) checkKeys(ctx context.Context) (found []network.Finding, err error) {
	err = p.do(ctx, func(context.Context) {
		p.mu.Lock()
		f := p.fabric
		p.mu.Unlock()
		if why := p.stuck(p.cfg.Env.Now(), f); why != "" {
			k := p.ring.Keys
			found = append(found, network.Finding{
				Area: network.AreaKernel, Object: "keys of encrypted networks",
				Wrong:  "the change that began at " + p.ring.Made.UTC().Format(time.RFC3339) + " does not come to its end: " + why,
				Remedy: fmt.Sprintf("Open the UDP ports %d and %d between the nodes, both ways, and see whether skep runs on those named; until then packets go by the older keys, and nothing is lost.", k[0].Port, k[1].Port),
			})
		}
		found = append(found, p.keyless(f)...)
	})
	return found, err
}

// keyless finds encrypted networks that this node, or another one with containers on them, has nothing to carry by.
func (p *Plane) keyless(f *network.Fabric) (found []network.Finding) {
	without := map[model.ID]bool{}
	for _, n := range f.Networks {
		if !n.Encrypted {
			continue
		}
		if p.ring.refusal != "" {
			return []network.Finding{{
				Area: network.AreaKernel, Object: "network " + n.Name, Wrong: "it is encrypted, and this node cannot carry that: " + p.ring.refusal,
				Remedy: "Give this node a kernel with WireGuard, or the device /dev/net/tun (modprobe tun).",
			}}
		}
		for _, e := range n.Endpoints {
			if other := f.Nodes[e.Node]; e.Node != p.cfg.Self && !other.Down && other.Keys == (network.Keys{}) {
				without[e.Node] = true
			}
		}
	}
	for id := range without {
		found = append(found, network.Finding{
			Area: network.AreaReach, Object: nodeNamed(f, id), Peer: id, Wrong: "it has said no key, so that nothing goes to its containers on encrypted networks",
			Remedy: "See what skep net check and skep's log say on that node.",
		})
	}
	slices.SortFunc(found, func(a, b network.Finding) int { return a.Peer.Compare(b.Peer) })
	return found
}

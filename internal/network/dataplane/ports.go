package dataplane

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	mobynet "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
)

// publish makes sure that a place's ports are free on this node, and chooses those that were left open.
func (p *Plane) publish(one *place) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.places[one.ID]; old != nil {
		one.Ports = old.Ports // said a second time
		return nil
	}
	for i, port := range one.Ports {
		if err := p.taken(port, one.Owner); err != nil {
			return err
		}
		number, err := p.cfg.Free(port)
		if err != nil {
			return fmt.Errorf("port %d/%s cannot be published on this node: %w", port.Published, port.Protocol, err)
		}
		one.Ports[i].Published = number
	}
	return nil
}

// taken says who of the cluster has a port of this node. The caller holds mu.
func (p *Plane) taken(port network.Port, by model.ID) error {
	if port.Published == 0 {
		return nil
	}
	same := func(other network.Port) bool {
		return other.Protocol == port.Protocol && other.Published == port.Published
	}
	for _, other := range p.places {
		for _, has := range other.Ports {
			if other.Owner != by && same(has) {
				return fmt.Errorf("port %d/%s of this node is published by task %s already", port.Published, port.Protocol, other.Owner)
			}
		}
	}
	for _, n := range p.fabric.Networks {
		for _, s := range n.Services {
			for _, has := range s.Ports {
				if same(has) {
					return fmt.Errorf("port %d/%s is published on every node by service %s already", port.Published, port.Protocol, s.Name)
				}
			}
		}
	}
	return nil
}

// HostPorts are the ports that the plane publishes for a task on this node alone.
func (p *Plane) HostPorts(task model.ID) []swarm.PortConfig {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []swarm.PortConfig
	for _, port := range portsOf(p.places, func(one *place) bool { return one.Owner == task }) {
		out = append(out, swarm.PortConfig{
			Protocol: mobynet.IPProtocol(port.Protocol), TargetPort: uint32(port.Target), PublishedPort: uint32(port.Published),
			PublishMode: swarm.PortConfigPublishModeHost,
		})
	}
	return out
}

// freePort finds out by listening whether a port is free; 0 is any. Of a protocol that this cannot be told for, a port
// has to be named.
func freePort(port network.Port) (uint16, error) {
	at := ":" + strconv.Itoa(int(port.Published))
	var addr net.Addr
	switch port.Protocol {
	case "tcp":
		l, err := net.Listen("tcp4", at)
		if err != nil {
			return 0, inUse(err)
		}
		addr = l.Addr()
		defer func() { _ = l.Close() }()
	case "udp":
		c, err := net.ListenPacket("udp4", at)
		if err != nil {
			return 0, inUse(err)
		}
		addr = c.LocalAddr()
		defer func() { _ = c.Close() }()
	default:
		if port.Published == 0 {
			return 0, errors.New("a port of protocol " + port.Protocol + " has to be named")
		}
		return port.Published, nil
	}
	_, text, err := net.SplitHostPort(addr.String())
	if err != nil {
		return 0, err
	}
	number, err := strconv.ParseUint(text, 10, 16)
	return uint16(number), err
}

func inUse(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return errors.New("a process of this node has it")
	}
	return err
}

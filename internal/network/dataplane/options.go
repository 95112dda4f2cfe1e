package dataplane

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/plugin"
)

// newPlace reads what the engine says of an endpoint on one of the cluster's networks.
func newPlace(e plugin.NewEndpoint, of model.ID) (*place, error) {
	p := &place{ID: e.ID, Realm: e.Network, Network: of}
	task, address := e.Options[network.OptionEndpoint], e.Options[network.OptionAddress]
	if task == "" {
		p.Guest, p.Owner = true, guestID(e.ID)
		return p, p.ask(address)
	}
	var err error
	if p.Owner, err = model.ParseID(task); err != nil {
		return nil, fmt.Errorf("the endpoint's option %s names no task: %w", network.OptionEndpoint, err)
	}
	if p.Addr, err = netip.ParsePrefix(address); err != nil {
		return nil, fmt.Errorf("the endpoint's option %s: %w", network.OptionAddress, err)
	}
	return p, p.options(e.Options)
}

// ask reads the address that a guest's user wants; any will do if there is none.
func (p *place) ask(address string) error {
	if address == "" {
		return nil
	}
	text, _, _ := strings.Cut(address, "/")
	var err error
	if p.Asked, err = netip.ParseAddr(text); err != nil {
		return fmt.Errorf("the option %s: %w", network.OptionAddress, err)
	}
	return nil
}

// options reads what else a task's endpoint was given.
func (p *place) options(o map[string]string) error {
	if text := o[network.OptionPorts]; text != "" {
		if err := json.Unmarshal([]byte(text), &p.Ports); err != nil {
			return fmt.Errorf("the endpoint's option %s: %w", network.OptionPorts, err)
		}
	}
	for text := range strings.SplitSeq(o[network.OptionDNS], ",") {
		if addr, err := netip.ParseAddr(text); err == nil {
			p.DNS = append(p.DNS, addr)
		}
	}
	return nil
}

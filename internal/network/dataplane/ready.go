package dataplane

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/skep-org/skep/internal/model"
)

// Ready returns when all places of a task on networks work: its sandbox is programmed, and names are answered to it. A
// task that has none any more, as its container has ended, is waited for no longer.
func (p *Plane) Ready(ctx context.Context, task model.ID) error {
	var lacks string
	err := p.until(ctx, func() (bool, error) {
		lacks = ""
		for _, id := range slices.Sorted(maps.Keys(p.places)) {
			if one := p.places[id]; one.Owner == task && !p.works[id] {
				lacks = p.lack(one)
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil && lacks != "" && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", lacks, err)
	}
	return err
}

// lack says what a place waits for. The caller holds mu.
func (p *Plane) lack(one *place) string {
	name := one.Network.String()
	n := p.fabric.Networks[one.Network]
	if n != nil {
		name = n.Name
	}
	switch {
	case one.Sandbox == "":
		return "the engine has not connected it to network " + name
	case n == nil:
		return "the managers did not tell this node of network " + name
	case p.broken != nil:
		return fmt.Sprintf("network %s does not work on this node (%v)", name, p.broken)
	}
	return fmt.Sprintf("its network namespace %s cannot be seen: does skep run in another mount namespace than the engine?", one.Sandbox)
}

// Usable says why there can be no overlay networks on the node; a plane that exists has found none.
func (p *Plane) Usable() error { return nil }

package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
)

// Purge removes everything of skep's from this host's kernel, for a node that leaves its cluster.
func (k *Kernel) Purge(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	have := k.have
	k.have, k.round = nil, k.round+1
	clear(k.attached)
	clear(k.ready)
	clear(k.distrusted)
	var errs []error
	if have != nil {
		for key := range have.Boxes {
			errs = append(errs, k.boxOps(key, []network.Op{{Act: network.Remove, Kind: network.KindBox, Box: key}}))
		}
	}
	errs = append(errs, k.purgeSpaces(), k.purgeRoutes(), k.purgeLinks(), k.purgeTable(), k.setAccepted(false), k.restoreGlobals(), k.forgetEngine())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing the networks from this host: %w", err)
	}
	return nil
}

func (k *Kernel) purgeSpaces() error {
	ids, err := k.namespaces()
	errs := []error{err}
	errs = append(errs, k.dropCipher())
	for _, id := range append(ids, collect(k.spaces)...) {
		errs = append(errs, k.dropSpace(id))
	}
	return errors.Join(errs...)
}

func collect(spaces map[model.ID]*space) []model.ID {
	var ids []model.ID
	for id := range spaces {
		ids = append(ids, id)
	}
	return ids
}

func (k *Kernel) purgeRoutes() error {
	in := &network.Ingress{}
	errs := []error{k.readPolicy(in), k.readRoutes(in)}
	for r := range in.Rules {
		errs = append(errs, k.ruleOp(network.Op{Act: network.Remove, Kind: network.KindRule, Rule: r}))
	}
	for mark := range in.Returns {
		errs = append(errs, k.routeOp(network.Op{Act: network.Remove, Kind: network.KindReturn, Mark: mark}))
	}
	for dst, r := range in.Routes {
		errs = append(errs, k.routeOp(network.Op{Act: network.Remove, Kind: network.KindRoute, Prefix: dst, Route: r}))
	}
	return errors.Join(errs...)
}

func (k *Kernel) purgeLinks() error {
	links, err := k.host.route.LinkList()
	errs := []error{err}
	for _, l := range links {
		if ours(l) {
			errs = append(errs, k.host.removeLinks(l.Attrs().Name))
		}
	}
	return errors.Join(errs...)
}

func (k *Kernel) purgeTable() error {
	r, err := k.host.openRules()
	if err != nil {
		return err
	}
	r.drop()
	return errors.Join(r.commit(), k.dropSixth())
}

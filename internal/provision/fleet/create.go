package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/node"
	"github.com/skep-org/skep/internal/provision"
)

// Create makes machines nodes of one cluster, with all those that are kept already. What is done already is left as it is.
func (f *Fleet) Create(ctx context.Context, wanted []provision.Machine) error {
	unlock, err := f.Store.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := f.Store.Put(wanted); err != nil {
		return err
	}
	all, err := f.all(wanted)
	if err != nil {
		return err
	}
	machines, lost := f.reach(ctx, all)
	defer closeAll(machines)
	failed := f.prepareAll(ctx, machines, lost, wanted)
	if err := errors.Join(failures(wanted, failed), f.join(ctx, machines, lost, failed, all, wanted)); err != nil {
		return fmt.Errorf("%w\nRun this again when that is mended: what is done stays done", err)
	}
	return nil
}

// all are the machines that are kept: those wanted first, in their order, since the first manager founds the cluster.
func (f *Fleet) all(wanted []provision.Machine) ([]provision.Machine, error) {
	kept, err := f.Store.All()
	if err != nil {
		return nil, err
	}
	all := append([]provision.Machine{}, wanted...)
	for _, m := range kept {
		if !holds(wanted, m.Name) {
			all = append(all, m)
		}
	}
	return all, nil
}

func holds(all []provision.Machine, name string) bool {
	for _, m := range all {
		if m.Name == name {
			return true
		}
	}
	return false
}

// prepareAll has the daemon run on all machines that are wanted, and tells which failed.
func (f *Fleet) prepareAll(ctx context.Context, machines []*machine, lost map[string]error, wanted []provision.Machine) map[string]error {
	var managers []string
	all := make([]provision.Machine, len(machines))
	for i, m := range machines {
		all[i] = m.Machine
	}
	for _, n := range nodes(ctx, machines, nil, all) {
		if n.Control && n.Addr != "" {
			managers = append(managers, n.Addr)
		}
	}
	failed := map[string]error{}
	var mu sync.Mutex
	each(len(wanted), func(i int) {
		err := lost[wanted[i].Name]
		if m := find(machines, wanted[i].Name); m != nil {
			err = m.prepare(ctx, managers)
		}
		if err != nil {
			f.say(wanted[i].Name, "failed")
			mu.Lock()
			defer mu.Unlock()
			failed[wanted[i].Name] = err
		}
	})
	return failed
}

// prepare has the daemon run. managers are the addresses of those there are, which the host has to reach.
func (m *machine) prepare(ctx context.Context, managers []string) error {
	if m.found.Running != "" && m.found.Running != m.want.Sum {
		m.fleet.say(m.Name, "runs another skep, which is left alone: skep machine upgrade "+m.Name)
		return nil
	}
	if err := m.copyProgram(ctx); err != nil {
		return err
	}
	engine, err := m.check(ctx, managers)
	if err != nil {
		return err
	}
	steps, err := provision.Prepare(m.found, engine, m.want)
	if err != nil {
		return err
	}
	if err := m.do(ctx, steps); err != nil {
		return err
	}
	return errors.Join(m.awaitDaemon(ctx), m.survey(ctx))
}

// awaitDaemon waits until the daemon answers, which it does once its engine does.
func (m *machine) awaitDaemon(ctx context.Context) error {
	err := until(ctx, answerLimit, func(ctx context.Context) string {
		if err := m.node(ctx).Err; err != nil {
			return err.Error()
		}
		return ""
	})
	if err != nil {
		return fmt.Errorf("%w; its log says why: skep machine ssh %s %s", err, m.Name, logCommand(m.found.Init))
	}
	return nil
}

func logCommand(i provision.Init) string {
	if i == provision.Systemd {
		return "journalctl -u skep -n 20"
	}
	return "tail /var/log/skep.log"
}

// join makes the machines that are wanted one cluster, and waits until they are well.
func (f *Fleet) join(ctx context.Context, machines []*machine, lost, failed map[string]error, all, wanted []provision.Machine) error {
	var names []string
	for _, m := range wanted {
		if failed[m.Name] == nil {
			names = append(names, m.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	j, err := provision.Joins(nodes(ctx, machines, lost, all), names)
	if err != nil {
		return err
	}
	if j.Found != "" {
		founder := find(machines, j.Found)
		if err := founder.step("found the cluster", func() error { return founder.init(ctx) }); err != nil {
			return fmt.Errorf("%s: %w", j.Found, err)
		}
		j.Via = j.Found
	}
	via := find(machines, j.Via)
	// Managers join one after the other, since each changes who votes.
	for _, name := range j.Managers {
		if err := find(machines, name).join(ctx, via); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	errs := make([]error, len(j.Workers))
	each(len(j.Workers), func(i int) {
		if err := find(machines, j.Workers[i]).join(ctx, via); err != nil {
			errs[i] = fmt.Errorf("%s: %w", j.Workers[i], err)
		}
	})
	return errors.Join(errors.Join(errs...), f.settled(ctx, machines, via, names, errs))
}

// init founds a cluster.
func (m *machine) init(ctx context.Context) error {
	_, err := m.api.SwarmInit(ctx, client.SwarmInitOptions{ListenAddr: node.DefaultListenAddr, AdvertiseAddr: m.AdvertiseAddr})
	return err
}

// join has the machine join the cluster of a manager. Nothing that is shown holds the token.
func (m *machine) join(ctx context.Context, via *machine) error {
	return m.step("join as "+string(m.Role), func() error {
		cluster, err := via.api.SwarmInspect(ctx, client.SwarmInspectOptions{})
		if err != nil {
			return fmt.Errorf("asking %s for a token: %w", via.Name, err)
		}
		token := cluster.Swarm.JoinTokens.Worker
		if m.Role == provision.Manager {
			token = cluster.Swarm.JoinTokens.Manager
		}
		at := via.node(ctx)
		if at.Err != nil || at.Addr == "" {
			return fmt.Errorf("%s does not tell where nodes reach it: %w", via.Name, errors.Join(at.Err))
		}
		_, err = m.api.SwarmJoin(ctx, client.SwarmJoinOptions{
			ListenAddr: node.DefaultListenAddr, AdvertiseAddr: m.AdvertiseAddr, RemoteAddrs: []string{at.Addr}, JoinToken: token,
		})
		return err
	})
}

// settled waits until a manager says that the machines are ready, in the roles they are to have.
func (f *Fleet) settled(ctx context.Context, machines []*machine, via *machine, names []string, failed []error) error {
	if err := errors.Join(failed...); err != nil {
		return nil //nolint:nilerr // it is told by whoever has it; those that failed would be waited for in vain
	}
	return until(ctx, answerLimit, func(ctx context.Context) string {
		var all []provision.Machine
		for _, name := range names {
			all = append(all, find(machines, name).Machine)
		}
		for _, n := range nodesBy(ctx, machines, via, all) {
			name := n.Machine.Name
			switch {
			case n.Err != nil:
				return fmt.Sprintf("%s: %s", name, n.Err)
			case !n.Ready:
				return fmt.Sprintf("%s: its node does not become ready: docker node ls on %s shows its state", name, via.Name)
			case n.Machine.Role == provision.Manager && !n.Manager:
				return fmt.Sprintf("%s is a worker and was asked for as a manager: docker node promote %s on %s", name, n.ID, via.Name)
			case n.Machine.Role == provision.Worker && n.Manager:
				return fmt.Sprintf("%s is a manager and was asked for as a worker: docker node demote %s on %s", name, n.ID, via.Name)
			case n.Manager && !n.Reachable:
				return name + ": the managers do not reach it"
			}
		}
		return ""
	})
}

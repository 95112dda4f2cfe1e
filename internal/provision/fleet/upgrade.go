package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/provision"
)

// backLimit is how long a node may take to be well again after its daemon was restarted.
const backLimit = 2 * time.Minute

// Upgrade has nodes go over to the program, one after the other; no names are all. It stops at the first that does not come
// back.
func (f *Fleet) Upgrade(ctx context.Context, names []string) error {
	unlock, err := f.Store.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	all, err := f.named(nil)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errors.New("no machines are kept: skep machine create makes some")
	}
	wanted, err := f.named(names)
	if err != nil {
		return err
	}
	machines, lost := f.reach(ctx, all)
	defer closeAll(machines)
	if h := provision.Hinders(nodes(ctx, machines, lost, all), ""); h != "" {
		return fmt.Errorf("nothing was upgraded, since not all is well: %s", h)
	}
	if err := f.copyAll(ctx, machines, wanted); err != nil {
		return fmt.Errorf("nothing was upgraded: %w", err)
	}
	return f.upgradeAll(ctx, machines, all, wanted)
}

// named are the kept machines of those names; no names are all.
func (f *Fleet) named(names []string) ([]provision.Machine, error) {
	if len(names) == 0 {
		return f.Store.All()
	}
	var some []provision.Machine
	for _, name := range names {
		m, err := f.Store.Get(name)
		if err != nil {
			return nil, err
		}
		some = append(some, m)
	}
	return some, nil
}

// copyAll has the program on every host before the first daemon is touched.
func (f *Fleet) copyAll(ctx context.Context, machines []*machine, wanted []provision.Machine) error {
	errs := make([]error, len(wanted))
	each(len(wanted), func(i int) {
		if err := find(machines, wanted[i].Name).copyProgram(ctx); err != nil {
			errs[i] = fmt.Errorf("%s: %w", wanted[i].Name, err)
		}
	})
	return errors.Join(errs...)
}

// upgradeAll takes the nodes in order, which is looked at anew each time: another may lead by then.
func (f *Fleet) upgradeAll(ctx context.Context, machines []*machine, all, wanted []provision.Machine) error {
	needs := func(n provision.Node) bool {
		m := find(machines, n.Machine.Name)
		return m != nil && holds(wanted, m.Name) && (m.found.Running != m.want.Sum || m.found.Program != m.want.Sum)
	}
	done := 0
	for {
		order := provision.Order(nodes(ctx, machines, nil, all), needs)
		if len(order) == 0 {
			if done == 0 {
				f.say("all", "run this skep already")
			}
			return nil
		}
		m := find(machines, order[0])
		if err := m.upgrade(ctx, machines, all); err != nil {
			if left := slices.DeleteFunc(order, func(name string) bool { return name == m.Name }); len(left) > 0 {
				err = fmt.Errorf("%w; the upgrade stops here, and %s stay as they are", err, strings.Join(left, ", "))
			}
			return err
		}
		done++
	}
}

// upgrade has one node go over, and returns when all are well.
func (m *machine) upgrade(ctx context.Context, machines []*machine, all []provision.Machine) error {
	if err := m.do(ctx, provision.Restart(m.found, m.want)); err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	m.fleet.say(m.Name, "wait until it is back")
	began := time.Now()
	err := until(ctx, cmp.Or(m.fleet.BackLimit, backLimit), func(ctx context.Context) string {
		if err := m.survey(ctx); err != nil {
			return err.Error()
		}
		if m.found.Running != m.want.Sum {
			return "its daemon does not run the new program"
		}
		return provision.Hinders(nodes(ctx, machines, nil, all), "")
	})
	if err != nil {
		return fmt.Errorf("%s did not come back: %w; its log: skep machine ssh %s %s", m.Name, err, m.Name, logCommand(m.found.Init))
	}
	m.fleet.say(m.Name, fmt.Sprintf("is back (%.1fs)", time.Since(began).Seconds()))
	return nil
}

package migratecmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/cli/clusterapi"
	"github.com/skep-org/skep/internal/manager/forecast"
	"github.com/skep-org/skep/internal/migrate"
	"github.com/skep-org/skep/internal/stack/plan"
)

// nothing is how an error begins that comes before the first write.
const nothing = "nothing was changed"

// carry makes what the cluster lacks.
func (m *migration) carry(ctx context.Context, here migrate.Swarm) error {
	p := migrate.Make(m.want, here, m.options)
	if text := report(append(m.found, p.Found...)); text != "" {
		m.say("%s", strings.TrimSuffix(text, "\n"))
	}
	if m.dryRun {
		m.show(p, here)
	}
	if len(p.Problems) > 0 {
		return problems(p.Problems)
	}
	outcome, err := m.foresee(ctx, p)
	if err != nil {
		return fmt.Errorf("%s: %w", nothing, err)
	}
	if m.dryRun {
		m.showWaiting(p, outcome)
		return others(p)
	}
	if p.Empty() {
		m.say("Nothing to change: %d of the swarm's objects are here", p.Same)
		return others(p)
	}
	if err := m.apply(ctx, here, p); err != nil {
		return err
	}
	return others(p)
}

// foresee asks the cluster what it would say of the writes.
func (m *migration) foresee(ctx context.Context, p *migrate.Plan) (*forecast.Outcome, error) {
	if p.Writes.Empty() {
		return &forecast.Outcome{}, nil
	}
	return clusterapi.Foresee(ctx, m.client, m.host, p.Writes)
}

// apply writes a plan, and waits for the services that were written.
func (m *migration) apply(ctx context.Context, here migrate.Swarm, p *migrate.Plan) error {
	changed, err := m.writes(ctx, here, p)
	if err != nil {
		return fmt.Errorf("migrated in part: %w; the same command goes on from here", err)
	}
	names := written(p.Writes)
	if m.detach || len(names) == 0 {
		m.say("Migrated: %s", amounts(m.want))
		return nil
	}
	_, err = clusterapi.Wait{What: "the migration", Only: func(name string) bool { return names[name] }, Changed: changed, Timeout: m.timeout,
		Clock: m.clock, Say: func(text string) { m.say("%s", text) }}.Until(ctx, m.client)
	if err != nil {
		return err
	}
	m.say("Migrated: %s; all services that were made are there", amounts(m.want))
	return nil
}

func (m *migration) writes(ctx context.Context, here migrate.Swarm, p *migrate.Plan) (map[string]bool, error) {
	if p.Settings != nil {
		m.say("Updating the settings of the cluster")
		if _, err := m.client.SwarmUpdate(ctx, client.SwarmUpdateOptions{Version: here.Cluster.Version, Spec: *p.Settings}); err != nil {
			return nil, fmt.Errorf("the settings were not updated: %w", err)
		}
	}
	for _, n := range p.Nodes {
		m.say("Updating node %s", n.Description.Hostname)
		if _, err := m.client.NodeUpdate(ctx, n.ID, client.NodeUpdateOptions{Version: n.Version, Spec: n.Spec}); err != nil {
			return nil, fmt.Errorf("node %s was not updated: %w", n.Description.Hostname, err)
		}
	}
	w := clusterapi.Writer{Client: m.client, Say: m.say, Warn: m.warn, Auth: func(ctx context.Context, image string) (string, error) {
		if !m.auth {
			return "", nil
		}
		return clusterapi.RegistryAuth(ctx, image)
	}}
	return w.Apply(ctx, p.Writes)
}

func written(p *plan.Plan) map[string]bool {
	names := map[string]bool{}
	for _, s := range p.Create {
		names[s.Name] = true
	}
	for _, s := range p.Update {
		names[s.Spec.Name] = true
	}
	return names
}

// problems is what stands in the way.
func problems(found []migrate.Finding) error {
	var lines []string
	for _, f := range found {
		lines = append(lines, f.String())
	}
	if len(lines) == 1 {
		return errors.New(nothing + ": " + lines[0])
	}
	return errors.New(nothing + ":\n  " + strings.Join(lines, "\n  "))
}

// others fails where something is here that is another thing than the swarm's.
func others(p *migrate.Plan) error {
	n := 0
	for _, f := range p.Found {
		if f.Severity == migrate.Exists {
			n++
		}
	}
	switch n {
	case 0:
		return nil
	case 1:
		return errors.New("1 difference to what is here already was left: --update has it become the swarm's, where it can change")
	}
	return fmt.Errorf("%d differences to what is here already were left: --update has them become the swarm's, where they can change", n)
}

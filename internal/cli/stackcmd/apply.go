package stackcmd

import (
	"context"
	"fmt"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/plan"
)

// apply writes a plan, in its order, and returns which services it changed.
func (d *deployment) apply(ctx context.Context, p *plan.Plan) (map[string]bool, error) {
	changed := map[string]bool{}
	for _, step := range []func(context.Context, *plan.Plan) error{d.prune, d.networks, d.secrets, d.configs} {
		if err := step(ctx, p); err != nil {
			return nil, err
		}
	}
	for _, spec := range p.Create {
		id, err := d.create(ctx, p, spec)
		if err != nil {
			return nil, err
		}
		changed[id] = true
	}
	for _, s := range p.Update {
		if err := d.update(ctx, p, s); err != nil {
			return nil, err
		}
		changed[s.ID] = true
	}
	d.removeOld(ctx, p)
	return changed, nil
}

func (d *deployment) prune(ctx context.Context, p *plan.Plan) error {
	for _, s := range p.Prune {
		say(d.cmd, "Removing service %s", s.Spec.Name)
		if _, err := d.client.ServiceRemove(ctx, s.ID, client.ServiceRemoveOptions{}); err != nil {
			return fmt.Errorf("service %s was not removed: %w", s.Spec.Name, err)
		}
	}
	return nil
}

func (d *deployment) networks(ctx context.Context, p *plan.Plan) error {
	for _, n := range p.Networks {
		say(d.cmd, "Creating network %s", n.Name)
		_, err := d.client.NetworkCreate(ctx, n.Name, client.NetworkCreateOptions{Driver: n.Driver, EnableIPv4: n.EnableIPv4,
			EnableIPv6: n.EnableIPv6, IPAM: n.IPAM, Internal: n.Internal, Attachable: n.Attachable, Options: n.Options, Labels: n.Labels})
		if err != nil {
			return fmt.Errorf("network %s was not made: %w", n.Name, err)
		}
	}
	return nil
}

func (d *deployment) secrets(ctx context.Context, p *plan.Plan) error {
	for _, s := range p.Relabel.Secrets {
		if _, err := d.client.SecretUpdate(ctx, s.ID, client.SecretUpdateOptions{Version: s.Version, Spec: s.Spec}); err != nil {
			return fmt.Errorf("the labels of secret %s were not changed: %w", s.Spec.Name, err)
		}
	}
	for _, spec := range p.Secrets {
		say(d.cmd, "Creating secret %s", spec.Name)
		made, err := d.client.SecretCreate(ctx, client.SecretCreateOptions{Spec: spec})
		if err != nil {
			return fmt.Errorf("secret %s was not made: %w", spec.Name, err)
		}
		p.SecretIDs[spec.Name] = made.ID
	}
	return nil
}

func (d *deployment) configs(ctx context.Context, p *plan.Plan) error {
	for _, c := range p.Relabel.Configs {
		if _, err := d.client.ConfigUpdate(ctx, c.ID, client.ConfigUpdateOptions{Version: c.Version, Spec: c.Spec}); err != nil {
			return fmt.Errorf("the labels of config %s were not changed: %w", c.Spec.Name, err)
		}
	}
	for _, spec := range p.Configs {
		say(d.cmd, "Creating config %s", spec.Name)
		made, err := d.client.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: spec})
		if err != nil {
			return fmt.Errorf("config %s was not made: %w", spec.Name, err)
		}
		p.ConfigIDs[spec.Name] = made.ID
	}
	return nil
}

func (d *deployment) create(ctx context.Context, p *plan.Plan, spec swarm.ServiceSpec) (string, error) {
	say(d.cmd, "Creating service %s", spec.Name)
	auth, err := d.auth(ctx, spec.Labels[stack.LabelImage])
	if err != nil {
		return "", err
	}
	made, err := d.client.ServiceCreate(ctx, client.ServiceCreateOptions{Spec: p.Referring(spec), EncodedRegistryAuth: auth})
	if err != nil {
		return "", fmt.Errorf("service %s was not made: %w", spec.Name, err)
	}
	for _, w := range made.Warnings {
		warn(d.cmd, "warned: service "+spec.Name+": "+w)
	}
	return made.ID, nil
}

func (d *deployment) update(ctx context.Context, p *plan.Plan, s swarm.Service) error {
	say(d.cmd, "Updating service %s", s.Spec.Name)
	auth, err := d.auth(ctx, s.Spec.Labels[stack.LabelImage])
	if err != nil {
		return err
	}
	done, err := d.client.ServiceUpdate(ctx, s.ID, client.ServiceUpdateOptions{Version: s.Version, Spec: p.Referring(s.Spec), EncodedRegistryAuth: auth})
	if err != nil {
		return fmt.Errorf("service %s was not updated: %w", s.Spec.Name, err)
	}
	for _, w := range done.Warnings {
		warn(d.cmd, "warned: service "+s.Spec.Name+": "+w)
	}
	return nil
}

// removeOld removes versions that nothing needs. One that somebody has taken up meanwhile stays.
func (d *deployment) removeOld(ctx context.Context, p *plan.Plan) {
	for _, s := range p.OldSecrets {
		say(d.cmd, "Removing secret %s", s.Spec.Name)
		if _, err := d.client.SecretRemove(ctx, s.ID, client.SecretRemoveOptions{}); err != nil {
			warn(d.cmd, "warned: secret "+s.Spec.Name+" stays: "+err.Error())
		}
	}
	for _, c := range p.OldConfigs {
		say(d.cmd, "Removing config %s", c.Spec.Name)
		if _, err := d.client.ConfigRemove(ctx, c.ID, client.ConfigRemoveOptions{}); err != nil {
			warn(d.cmd, "warned: config "+c.Spec.Name+" stays: "+err.Error())
		}
	}
}

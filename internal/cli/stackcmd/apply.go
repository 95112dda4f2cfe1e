package stackcmd

import (
	"context"
	"fmt"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/plan"
)

// writer writes plans.
type writer struct {
	client *client.Client
	say    func(format string, args ...any)
	warn   func(text string)
	auth   func(ctx context.Context, image string) (string, error)
}

// apply writes a plan, in its order, and returns which services it changed.
func (w writer) apply(ctx context.Context, p *plan.Plan) (map[string]bool, error) {
	changed := map[string]bool{}
	for _, step := range []func(context.Context, *plan.Plan) error{w.prune, w.networks, w.secrets, w.configs} {
		if err := step(ctx, p); err != nil {
			return nil, err
		}
	}
	for _, spec := range p.Create {
		id, err := w.create(ctx, p, spec)
		if err != nil {
			return nil, err
		}
		changed[id] = true
	}
	for _, s := range p.Update {
		if err := w.update(ctx, p, s); err != nil {
			return nil, err
		}
		changed[s.ID] = true
	}
	w.removeOld(ctx, p)
	return changed, nil
}

func (w writer) prune(ctx context.Context, p *plan.Plan) error {
	for _, s := range p.Prune {
		w.say("Removing service %s", s.Spec.Name)
		if _, err := w.client.ServiceRemove(ctx, s.ID, client.ServiceRemoveOptions{}); err != nil {
			return fmt.Errorf("service %s was not removed: %w", s.Spec.Name, err)
		}
	}
	return nil
}

func (w writer) networks(ctx context.Context, p *plan.Plan) error {
	for _, n := range p.Networks {
		w.say("Creating network %s", n.Name)
		_, err := w.client.NetworkCreate(ctx, n.Name, client.NetworkCreateOptions{Driver: n.Driver, EnableIPv4: n.EnableIPv4,
			EnableIPv6: n.EnableIPv6, IPAM: n.IPAM, Internal: n.Internal, Attachable: n.Attachable, Options: n.Options, Labels: n.Labels})
		if err != nil {
			return fmt.Errorf("network %s was not made: %w", n.Name, err)
		}
	}
	return nil
}

func (w writer) secrets(ctx context.Context, p *plan.Plan) error {
	for _, s := range p.Relabel.Secrets {
		if _, err := w.client.SecretUpdate(ctx, s.ID, client.SecretUpdateOptions{Version: s.Version, Spec: s.Spec}); err != nil {
			return fmt.Errorf("the labels of secret %s were not changed: %w", s.Spec.Name, err)
		}
	}
	for _, spec := range p.Secrets {
		w.say("Creating secret %s", spec.Name)
		made, err := w.client.SecretCreate(ctx, client.SecretCreateOptions{Spec: spec})
		if err != nil {
			return fmt.Errorf("secret %s was not made: %w", spec.Name, err)
		}
		p.SecretIDs[spec.Name] = made.ID
	}
	return nil
}

func (w writer) configs(ctx context.Context, p *plan.Plan) error {
	for _, c := range p.Relabel.Configs {
		if _, err := w.client.ConfigUpdate(ctx, c.ID, client.ConfigUpdateOptions{Version: c.Version, Spec: c.Spec}); err != nil {
			return fmt.Errorf("the labels of config %s were not changed: %w", c.Spec.Name, err)
		}
	}
	for _, spec := range p.Configs {
		w.say("Creating config %s", spec.Name)
		made, err := w.client.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: spec})
		if err != nil {
			return fmt.Errorf("config %s was not made: %w", spec.Name, err)
		}
		p.ConfigIDs[spec.Name] = made.ID
	}
	return nil
}

func (w writer) create(ctx context.Context, p *plan.Plan, spec swarm.ServiceSpec) (string, error) {
	w.say("Creating service %s", spec.Name)
	auth, err := w.auth(ctx, spec.Labels[stack.LabelImage])
	if err != nil {
		return "", err
	}
	made, err := w.client.ServiceCreate(ctx, client.ServiceCreateOptions{Spec: p.Referring(spec), EncodedRegistryAuth: auth})
	if err != nil {
		return "", fmt.Errorf("service %s was not made: %w", spec.Name, err)
	}
	for _, said := range made.Warnings {
		w.warn("warned: service " + spec.Name + ": " + said)
	}
	return made.ID, nil
}

func (w writer) update(ctx context.Context, p *plan.Plan, s swarm.Service) error {
	w.say("Updating service %s", s.Spec.Name)
	auth, err := w.auth(ctx, s.Spec.Labels[stack.LabelImage])
	if err != nil {
		return err
	}
	done, err := w.client.ServiceUpdate(ctx, s.ID, client.ServiceUpdateOptions{Version: s.Version, Spec: p.Referring(s.Spec), EncodedRegistryAuth: auth})
	if err != nil {
		return fmt.Errorf("service %s was not updated: %w", s.Spec.Name, err)
	}
	for _, said := range done.Warnings {
		w.warn("warned: service " + s.Spec.Name + ": " + said)
	}
	return nil
}

// removeOld removes versions that nothing needs. One that somebody has taken up meanwhile stays.
func (w writer) removeOld(ctx context.Context, p *plan.Plan) {
	for _, s := range p.OldSecrets {
		w.say("Removing secret %s", s.Spec.Name)
		if _, err := w.client.SecretRemove(ctx, s.ID, client.SecretRemoveOptions{}); err != nil {
			w.warn("warned: secret " + s.Spec.Name + " stays: " + err.Error())
		}
	}
	for _, c := range p.OldConfigs {
		w.say("Removing config %s", c.Spec.Name)
		if _, err := w.client.ConfigRemove(ctx, c.ID, client.ConfigRemoveOptions{}); err != nil {
			w.warn("warned: config " + c.Spec.Name + " stays: " + err.Error())
		}
	}
}

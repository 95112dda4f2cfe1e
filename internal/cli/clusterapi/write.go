package clusterapi

import (
	"cmp"
	"context"
	"fmt"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/plan"
)

// Writer writes plans.
type Writer struct {
	Client *client.Client
	Say    func(format string, args ...any)
	Warn   func(text string)
	Auth   func(ctx context.Context, image string) (string, error)
}

// Apply writes a plan, in its order, and returns which services it changed.
func (w Writer) Apply(ctx context.Context, p *plan.Plan) (map[string]bool, error) {
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

func (w Writer) prune(ctx context.Context, p *plan.Plan) error {
	for _, s := range p.Prune {
		w.Say("Removing service %s", s.Spec.Name)
		if _, err := w.Client.ServiceRemove(ctx, s.ID, client.ServiceRemoveOptions{}); err != nil {
			return fmt.Errorf("service %s was not removed: %w", s.Spec.Name, err)
		}
	}
	return nil
}

func (w Writer) networks(ctx context.Context, p *plan.Plan) error {
	for _, n := range p.Networks {
		w.Say("Creating network %s", n.Name)
		_, err := w.Client.NetworkCreate(ctx, n.Name, client.NetworkCreateOptions{Driver: n.Driver, EnableIPv4: n.EnableIPv4,
			EnableIPv6: n.EnableIPv6, IPAM: n.IPAM, Internal: n.Internal, Attachable: n.Attachable, Options: n.Options, Labels: n.Labels,
			Scope: n.Scope, ConfigFrom: configFrom(n)})
		if err != nil {
			return fmt.Errorf("network %s was not made: %w", n.Name, err)
		}
	}
	return nil
}

func (w Writer) secrets(ctx context.Context, p *plan.Plan) error {
	for _, s := range p.Relabel.Secrets {
		if _, err := w.Client.SecretUpdate(ctx, s.ID, client.SecretUpdateOptions{Version: s.Version, Spec: s.Spec}); err != nil {
			return fmt.Errorf("the labels of secret %s were not changed: %w", s.Spec.Name, err)
		}
	}
	for _, spec := range p.Secrets {
		w.Say("Creating secret %s", spec.Name)
		made, err := w.Client.SecretCreate(ctx, client.SecretCreateOptions{Spec: spec})
		if err != nil {
			return fmt.Errorf("secret %s was not made: %w", spec.Name, err)
		}
		p.SecretIDs[spec.Name] = made.ID
	}
	return nil
}

func (w Writer) configs(ctx context.Context, p *plan.Plan) error {
	for _, c := range p.Relabel.Configs {
		if _, err := w.Client.ConfigUpdate(ctx, c.ID, client.ConfigUpdateOptions{Version: c.Version, Spec: c.Spec}); err != nil {
			return fmt.Errorf("the labels of config %s were not changed: %w", c.Spec.Name, err)
		}
	}
	for _, spec := range p.Configs {
		w.Say("Creating config %s", spec.Name)
		made, err := w.Client.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: spec})
		if err != nil {
			return fmt.Errorf("config %s was not made: %w", spec.Name, err)
		}
		p.ConfigIDs[spec.Name] = made.ID
	}
	return nil
}

func (w Writer) create(ctx context.Context, p *plan.Plan, spec swarm.ServiceSpec) (string, error) {
	w.Say("Creating service %s", spec.Name)
	auth, err := w.Auth(ctx, imageOf(spec))
	if err != nil {
		return "", err
	}
	made, err := w.Client.ServiceCreate(ctx, client.ServiceCreateOptions{Spec: p.Referring(spec), EncodedRegistryAuth: auth})
	if err != nil {
		return "", fmt.Errorf("service %s was not made: %w", spec.Name, err)
	}
	for _, said := range made.Warnings {
		w.Warn("warned: service " + spec.Name + ": " + said)
	}
	return made.ID, nil
}

func (w Writer) update(ctx context.Context, p *plan.Plan, s swarm.Service) error {
	w.Say("Updating service %s", s.Spec.Name)
	auth, err := w.Auth(ctx, imageOf(s.Spec))
	if err != nil {
		return err
	}
	done, err := w.Client.ServiceUpdate(ctx, s.ID, client.ServiceUpdateOptions{Version: s.Version, Spec: p.Referring(s.Spec), EncodedRegistryAuth: auth})
	if err != nil {
		return fmt.Errorf("service %s was not updated: %w", s.Spec.Name, err)
	}
	for _, said := range done.Warnings {
		w.Warn("warned: service " + s.Spec.Name + ": " + said)
	}
	return nil
}

// removeOld removes versions that nothing needs. One that somebody has taken up meanwhile stays.
func (w Writer) removeOld(ctx context.Context, p *plan.Plan) {
	for _, s := range p.OldSecrets {
		w.Say("Removing secret %s", s.Spec.Name)
		if _, err := w.Client.SecretRemove(ctx, s.ID, client.SecretRemoveOptions{}); err != nil {
			w.Warn("warned: secret " + s.Spec.Name + " stays: " + err.Error())
		}
	}
	for _, c := range p.OldConfigs {
		w.Say("Removing config %s", c.Spec.Name)
		if _, err := w.Client.ConfigRemove(ctx, c.ID, client.ConfigRemoveOptions{}); err != nil {
			w.Warn("warned: config " + c.Spec.Name + " stays: " + err.Error())
		}
	}
}

// imageOf is the image a service was asked for with: one of a stack is labelled with it.
func imageOf(spec swarm.ServiceSpec) string {
	return cmp.Or(spec.Labels[stack.LabelImage], spec.TaskTemplate.ContainerSpec.Image)
}

// configFrom is the network that another one takes its settings of.
func configFrom(n network.CreateRequest) string {
	if n.ConfigFrom == nil {
		return ""
	}
	return n.ConfigFrom.Network
}

package translate

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/template"
)

// Input is what a container is made of.
type Input struct {
	Task     *executor.Task
	Platform swarm.Platform           // the node's, for templates
	API      string                   // highest API version the engine speaks
	Files    []File                   // the task's secrets and configs, already on the node
	SELinux  bool                     // whether bound files need a label
	Source   func(path string) string // what to bind when path was asked for; nil changes nothing
}

// File is a file of the node that appears read-only in the container.
type File struct{ Source, Target string }

// Output is what to ask the engine for.
type Output struct {
	Create client.ContainerCreateOptions
	// Connect are the networks the container is to be connected to after its creation: engines before API 1.44 take
	// one network at creation only.
	Connect []Endpoint
}

// Endpoints are the container's places on all its networks, whether it gets them at its creation or after.
func (o Output) Endpoints() []Endpoint {
	var all []Endpoint
	if c := o.Create.NetworkingConfig; c != nil {
		for _, name := range slices.Sorted(maps.Keys(c.EndpointsConfig)) {
			all = append(all, Endpoint{Network: name, Settings: c.EndpointsConfig[name]})
		}
	}
	return append(all, o.Connect...)
}

// Container translates a task.
func Container(in Input) (Output, error) {
	t := in.Task
	if err := Supported(in.API, t.Spec); err != nil {
		return Output{}, err
	}
	for _, m := range t.Spec.ContainerSpec.Mounts {
		if m.Type == mount.TypeCluster && t.Volumes[m.Target].Path == "" {
			return Output{}, errors.New(mountName(m) + "the managers have given the task no cluster volume for it: upgrade all of them")
		}
	}
	spec, err := template.Container(Templates(t, in.Platform), t.Spec.ContainerSpec)
	if err != nil {
		return Output{}, err
	}
	config, err := config(t, spec)
	if err != nil {
		return Output{}, err
	}
	host, err := hostConfig(in, spec)
	if err != nil {
		return Output{}, err
	}
	out := Output{Create: client.ContainerCreateOptions{Name: t.Name(), Config: config, HostConfig: host}}
	if err := out.networks(in, t.Networks); err != nil {
		return Output{}, err
	}
	return out, nil
}

// Image is the reference the engine is asked for: as the user wrote it, with the tag that stands for none.
func Image(image string) string {
	ref, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image
	}
	return reference.FamiliarString(reference.TagNameOnly(ref))
}

// runnable says why a task is none of a container.
func runnable(spec *swarm.TaskSpec) error {
	switch {
	case spec == nil:
		return errors.New("the task has no spec")
	case spec.PluginSpec != nil || spec.Runtime == swarm.RuntimePlugin:
		return errors.New("engine plugins as services are not supported: install the plugin on each node with docker plugin install")
	case spec.NetworkAttachmentSpec != nil || spec.Runtime == swarm.RuntimeNetworkAttachment:
		return errors.New("a network attachment has no container of its own to run")
	case spec.ContainerSpec == nil:
		return errors.New("the task's spec has no ContainerSpec")
	case spec.ContainerSpec.Image == "":
		return errors.New("the task's ContainerSpec names no image")
	}
	return nil
}

// unsupported names a field the engine at hand would drop.
func unsupported(field, need, have string) error {
	return fmt.Errorf("%s needs an engine with API %s or later, this one has %s: upgrade the engine or leave the field out", field, need, have)
}

// mountName is how an error names a mount.
func mountName(m mount.Mount) string { return fmt.Sprintf("mount at %q: ", m.Target) }

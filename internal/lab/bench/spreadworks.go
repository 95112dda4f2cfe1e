package bench

import (
	"context"
	"fmt"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/skep-org/skep/internal/lab/hosts"
)

const (
	spreadNetwork = "bench"
	aloneNetwork  = "bench-alone" // on each engine
)

// service does the works by one service: Docker's swarm mode or skep. Its tasks are found by name, without a virtual address:
// the peer's want a part of the kernel that may not be there.
type service struct {
	via *client.Client
	id  string
}

func (s *service) create(ctx context.Context, replicas int) error {
	n := uint64(replicas)
	made, err := s.via.ServiceCreate(ctx, client.ServiceCreateOptions{Spec: swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "bench"},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{Image: hosts.WhoamiImage},
			Placement:     &swarm.Placement{Constraints: []string{"node.role==worker"}},
			Networks:      []swarm.NetworkAttachmentConfig{{Target: spreadNetwork}},
		},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &n}},
		UpdateConfig: &swarm.UpdateConfig{Parallelism: 10},
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR},
	}})
	if err != nil {
		return fmt.Errorf("making the service: %w", err)
	}
	s.id = made.ID
	return nil
}

func (s *service) change(ctx context.Context, edit func(*swarm.ServiceSpec)) error {
	r, err := s.via.ServiceInspect(ctx, s.id, client.ServiceInspectOptions{})
	if err != nil {
		return fmt.Errorf("reading the service: %w", err)
	}
	edit(&r.Service.Spec)
	if _, err := s.via.ServiceUpdate(ctx, s.id, client.ServiceUpdateOptions{Version: r.Service.Version, Spec: r.Service.Spec}); err != nil {
		return fmt.Errorf("changing the service: %w", err)
	}
	return nil
}

func (s *service) scale(ctx context.Context, replicas int) error {
	n := uint64(replicas)
	return s.change(ctx, func(spec *swarm.ServiceSpec) { spec.Mode.Replicated.Replicas = &n })
}

func (s *service) update(ctx context.Context) error {
	return s.change(ctx, func(spec *swarm.ServiceSpec) { spec.TaskTemplate.ContainerSpec.Image = spreadImage2 })
}

func (s *service) remove(ctx context.Context) error {
	if _, err := s.via.ServiceRemove(ctx, s.id, client.ServiceRemoveOptions{}); err != nil {
		return fmt.Errorf("removing the service: %w", err)
	}
	return nil
}

func (s *service) drain(ctx context.Context, host string) error {
	return s.avail(ctx, host, swarm.NodeAvailabilityDrain)
}

func (s *service) restore(ctx context.Context, host string) error {
	return s.avail(ctx, host, swarm.NodeAvailabilityActive)
}

func (s *service) avail(ctx context.Context, host string, to swarm.NodeAvailability) error {
	list, err := s.via.NodeList(ctx, client.NodeListOptions{})
	if err != nil {
		return fmt.Errorf("looking for %s: %w", host, err)
	}
	for _, n := range list.Items {
		if n.Description.Hostname != host {
			continue
		}
		n.Spec.Availability = to
		if _, err := s.via.NodeUpdate(ctx, n.ID, client.NodeUpdateOptions{Version: n.Version, Spec: n.Spec}); err != nil {
			return fmt.Errorf("making %s %s: %w", host, to, err)
		}
		return nil
	}
	return fmt.Errorf("there is no node %s", host)
}

// engines does the same works with nothing but the workers' engines: as fast as anything on top of them can hope to be. A
// container is on a network that is not the engine's default one, as a task is: there the engine answers names in each container, and
// setting that up costs it programs of their own. It is ended as a task is, by its signal, and then removed.
type engines struct {
	workers []*hosts.Host
	made    []placed
}

// placed is a container and where it is.
type placed struct {
	on *hosts.Host
	id string
}

func (e *engines) create(ctx context.Context, n int) error {
	return e.start(ctx, e.workers, hosts.WhoamiImage, n)
}

func (e *engines) scale(ctx context.Context, n int) error {
	return e.start(ctx, e.workers, hosts.WhoamiImage, n-len(e.made))
}

// start starts so many on these hosts in turns.
func (e *engines) start(ctx context.Context, on []*hosts.Host, image string, n int) error {
	made := make([]placed, n)
	err := together(ctx, made, func(ctx context.Context, i int) (err error) {
		made[i], err = startOn(ctx, on[i%len(on)], image)
		return err
	})
	e.made = append(e.made, made...)
	return err
}

func (e *engines) update(ctx context.Context) error {
	return together(ctx, e.made, func(ctx context.Context, i int) (err error) {
		if err = e.made[i].delete(ctx); err != nil {
			return err
		}
		e.made[i], err = startOn(ctx, e.made[i].on, spreadImage2)
		return err
	})
}

func (e *engines) drain(ctx context.Context, host string) error {
	var others []*hosts.Host
	for _, h := range e.workers {
		if h.Name != host {
			others = append(others, h)
		}
	}
	return together(ctx, e.made, func(ctx context.Context, i int) (err error) {
		if e.made[i].on.Name != host {
			return nil
		}
		if err = e.made[i].delete(ctx); err != nil {
			return err
		}
		e.made[i], err = startOn(ctx, others[i/len(e.workers)%len(others)], spreadImage2)
		return err
	})
}

func (e *engines) restore(context.Context, string) error { return nil }

func (e *engines) remove(ctx context.Context) error {
	all := e.made
	e.made = nil
	return together(ctx, all, func(ctx context.Context, i int) error { return all[i].delete(ctx) })
}

// together does something for each of a list, so many at a time.
func together(ctx context.Context, list []placed, do func(context.Context, int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atATime)
	for i := range list {
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}

func startOn(ctx context.Context, on *hosts.Host, image string) (placed, error) {
	made, err := on.Engine().ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{Image: image}, HostConfig: &container.HostConfig{NetworkMode: aloneNetwork},
	})
	if err != nil {
		return placed{}, fmt.Errorf("making a container on %s: %w", on.Name, err)
	}
	if _, err := on.Engine().ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		return placed{}, fmt.Errorf("starting a container on %s: %w", on.Name, err)
	}
	return placed{on, made.ID}, nil
}

func (p placed) delete(ctx context.Context) error {
	if _, err := p.on.Engine().ContainerStop(ctx, p.id, client.ContainerStopOptions{}); err != nil {
		return fmt.Errorf("stopping a container on %s: %w", p.on.Name, err)
	}
	if _, err := p.on.Engine().ContainerRemove(ctx, p.id, client.ContainerRemoveOptions{RemoveVolumes: true}); err != nil {
		return fmt.Errorf("removing a container on %s: %w", p.on.Name, err)
	}
	return nil
}

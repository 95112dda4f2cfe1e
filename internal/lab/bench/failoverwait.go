package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/hosts"
)

// lookEvery is short against what is measured.
const lookEvery = 50 * time.Millisecond

// until repeats a look until it says nothing.
func until(ctx context.Context, look func() string) error {
	for {
		wrong := look()
		if wrong == "" {
			return nil
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", wrong, ctx.Err())
		}
	}
}

// running waits until so many containers of services run on these hosts' engines, which nobody but they is asked.
func running(ctx context.Context, n int, on []*hosts.Host) error {
	return until(ctx, func() string {
		sum := 0
		for _, h := range on {
			list, err := h.Engine().ContainerList(ctx, client.ContainerListOptions{Filters: client.Filters{}.Add("label", "com.docker.swarm.service.id")})
			if err != nil {
				return err.Error()
			}
			sum += len(list.Items)
		}
		if sum != n {
			return fmt.Sprintf("%d containers run, wanted are %d", sum, n)
		}
		return ""
	})
}

// leads finds the leader and another manager.
func (l *losses) leads(ctx context.Context) (leader, other *hosts.Host, err error) {
	list, err := l.lab.Hosts()[0].Docker().NodeList(ctx, client.NodeListOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("looking for the leader: %w", err)
	}
	for _, n := range list.Items {
		switch {
		case n.ManagerStatus == nil:
		case n.ManagerStatus.Leader:
			leader = l.lab.Host(n.Description.Hostname)
		default:
			other = l.lab.Host(n.Description.Hostname)
		}
	}
	if leader == nil || other == nil {
		return nil, nil, errors.New("looking for the leader: there is none, or no other manager")
	}
	return leader, other, nil
}

// whole waits until every manager says that all nodes are ready and all managers reachable.
func (l *losses) whole(ctx context.Context) error {
	return until(ctx, func() string {
		for _, h := range l.lab.Hosts()[:3] {
			call, cancel := context.WithTimeout(ctx, 10*time.Second)
			list, err := h.Docker().NodeList(call, client.NodeListOptions{})
			cancel()
			if err != nil {
				return err.Error()
			}
			for _, n := range list.Items {
				if n.Status.State != swarm.NodeStateReady || n.ManagerStatus != nil && n.ManagerStatus.Reachability != swarm.ReachabilityReachable {
					return fmt.Sprintf("%s says that %s is %s", h.Name, n.Description.Hostname, n.Status.State)
				}
			}
		}
		return ""
	})
}

package hosts

import (
	"context"
	"time"

	"github.com/moby/moby/client"
)

// askLimit bounds one question of a status: a paused host accepts connections and answers nobody.
const askLimit = 2 * time.Second

// Status is what a host is doing, in words for people; "-" is what it does not have.
type Status struct {
	Power          string // on, off or paused
	Engine, Daemon string // answers, silent or -
	DockerHost     string
}

// Status asks a host what it is doing.
func (h *Host) Status(ctx context.Context) (Status, error) {
	s := Status{Power: "off", Engine: "-", Daemon: "-", DockerHost: "-"}
	if h.m.host() {
		s.DockerHost = h.DockerHost()
	}
	on, err := h.Running()
	if err != nil || !on {
		return s, err
	}
	paused, err := h.Paused()
	if err != nil {
		return s, err
	}
	s.Power = "on"
	if paused {
		s.Power = "paused"
	}
	if !h.m.host() || paused {
		return s, nil
	}
	s.Engine = ask(ctx, h.engine)
	if !h.lab.cfg.DockerSwarm {
		s.Daemon = ask(ctx, h.skep)
	}
	return s, nil
}

func ask(ctx context.Context, api *client.Client) string {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	if _, err := api.Ping(ctx, client.PingOptions{}); err != nil {
		return "silent"
	}
	return "answers"
}

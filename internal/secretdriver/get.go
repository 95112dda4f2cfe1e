package secretdriver

import (
	"context"
	"errors"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/manager/dispatcher"
)

// limit is how long a plugin may take.
const limit = 10 * time.Second

// request is the plugin protocol's, with the field names and numbers of swarm mode.
type request struct {
	SecretName          string            `json:",omitempty"`
	SecretLabels        map[string]string `json:",omitempty"`
	ServiceHostname     string            `json:",omitempty"`
	ServiceName         string            `json:",omitempty"`
	ServiceID           string            `json:",omitempty"`
	ServiceLabels       map[string]string `json:",omitempty"`
	TaskID              string            `json:",omitempty"`
	TaskName            string            `json:",omitempty"`
	TaskImage           string            `json:",omitempty"`
	ServiceEndpointSpec *endpoint         `json:",omitempty"`
}

type endpoint struct {
	Mode  int32  `json:",omitempty"`
	Ports []port `json:",omitempty"`
}

type port struct {
	Name          string `json:",omitempty"`
	Protocol      int32  `json:",omitempty"`
	TargetPort    uint32 `json:",omitempty"`
	PublishedPort uint32 `json:",omitempty"`
	PublishMode   int32  `json:",omitempty"`
}

type response struct {
	Value      []byte
	Err        string
	DoNotReuse bool
}

// Get implements [dispatcher.SecretDrivers].
func (d Drivers) Get(ctx context.Context, ask dispatcher.SecretAsk, answer func(dispatcher.SecretAnswer)) {
	go func() {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		answer(d.get(ctx, ask))
	}()
}

func (d Drivers) get(ctx context.Context, ask dispatcher.SecretAsk) dispatcher.SecretAnswer {
	p, err := d.find(ctx, ask.Driver.Name)
	if err != nil {
		return dispatcher.SecretAnswer{Err: err}
	}
	defer p.close()
	var got response
	if err := p.call(ctx, "/SecretProvider.GetSecret", requestOf(ask), &got); err != nil {
		return dispatcher.SecretAnswer{Err: err}
	}
	if got.Err != "" {
		return dispatcher.SecretAnswer{Err: errors.New(got.Err)}
	}
	return dispatcher.SecretAnswer{Value: got.Value, DoNotReuse: got.DoNotReuse}
}

func requestOf(ask dispatcher.SecretAsk) request {
	spec := ask.Service
	r := request{
		SecretName: ask.Name, SecretLabels: ask.Labels, ServiceName: spec.Name, ServiceID: ask.ServiceID.String(), ServiceLabels: spec.Labels,
		TaskID: ask.Task.String(), TaskName: executor.TaskName(spec.Name, ask.Slot, ask.NodeID, ask.Task),
	}
	if c := spec.TaskTemplate.ContainerSpec; c != nil {
		r.TaskImage, r.ServiceHostname = c.Image, c.Hostname
	}
	if e := spec.EndpointSpec; e != nil {
		r.ServiceEndpointSpec = endpointOf(e)
	}
	return r
}

func endpointOf(e *swarm.EndpointSpec) *endpoint {
	out := &endpoint{}
	if e.Mode == swarm.ResolutionModeDNSRR {
		out.Mode = 1
	}
	for _, p := range e.Ports {
		one := port{Name: p.Name, TargetPort: p.TargetPort, PublishedPort: p.PublishedPort}
		one.Protocol = map[string]int32{"udp": 1, "sctp": 2}[string(p.Protocol)]
		if p.PublishMode == swarm.PortConfigPublishModeHost {
			one.PublishMode = 1
		}
		out.Ports = append(out.Ports, one)
	}
	return out
}

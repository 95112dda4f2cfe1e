package stackcmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/cli/clusterapi"
	"github.com/skep-org/skep/internal/stack"
)

// connected does something with a client of the cluster's API.
func connected(host string, do func(*client.Client) error) error {
	c, err := clusterapi.Connect(host)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return do(c)
}

// servicesOf lists a stack's services; of any stack, if it has no name.
func servicesOf(ctx context.Context, c *client.Client, name string, status bool) ([]swarm.Service, error) {
	services, err := c.ServiceList(ctx, client.ServiceListOptions{Filters: ofStack(name), Status: status})
	switch {
	case err != nil && name == "":
		return nil, fmt.Errorf("the stacks cannot be listed: %w", err)
	case err != nil:
		return nil, fmt.Errorf("the services of stack %s cannot be listed: %w", name, err)
	}
	return services.Items, nil
}

func noStack(name string) error {
	return fmt.Errorf("there is no stack %s: skep stack ls lists those there are", name)
}

// ofStack are the objects with a stack's label; of any stack, if it has no name.
func ofStack(name string) client.Filters {
	label := stack.LabelNamespace
	if name != "" {
		label += "=" + name
	}
	return make(client.Filters).Add("label", label)
}

// inUse tells a refusal that time will mend from one that it will not.
func inUse(err error) bool { return err != nil && strings.Contains(err.Error(), "is in use by") }

package stackcmd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/model"
)

// short is how much of an id is shown.
const short = 12

func servicesCommand() *cobra.Command {
	var host string
	cmd := &cobra.Command{
		Use:   "services STACK",
		Short: "List a stack's services",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return connected(host, func(c *client.Client) error {
				services, err := servicesOf(cmd.Context(), c, args[0], true)
				if err != nil {
					return err
				}
				if len(services) == 0 {
					return noStack(args[0])
				}
				slices.SortFunc(services, func(a, b swarm.Service) int { return cmp.Compare(a.Spec.Name, b.Spec.Name) })
				rows := [][]string{{"ID", "NAME", "MODE", "REPLICAS", "IMAGE", "PORTS"}}
				for _, s := range services {
					rows = append(rows, []string{s.ID[:min(short, len(s.ID))], s.Spec.Name, model.ModeName(s.Spec.Mode), replicas(s), image(&s.Spec.TaskTemplate), ports(s.Endpoint.Ports)})
				}
				return table(cmd, rows)
			})
		},
	}
	hostFlag(cmd, &host)
	return cmd
}

// replicas are the tasks that run and those that are to, of a job also how many have ended of how many.
func replicas(s swarm.Service) string {
	status := swarm.ServiceStatus{}
	if s.ServiceStatus != nil {
		status = *s.ServiceStatus
	}
	text := fmt.Sprintf("%d/%d", status.RunningTasks, status.DesiredTasks)
	switch m := s.Spec.Mode; {
	case m.ReplicatedJob != nil && m.ReplicatedJob.TotalCompletions != nil:
		text += fmt.Sprintf(" (%d/%d completed)", status.CompletedTasks, *m.ReplicatedJob.TotalCompletions)
	case m.GlobalJob != nil:
		text += fmt.Sprintf(" (%d/%d completed)", status.CompletedTasks, status.DesiredTasks+status.CompletedTasks)
	}
	return text
}

// image is without the digest, if it has a tag.
func image(t *swarm.TaskSpec) string {
	if t.ContainerSpec == nil {
		return ""
	}
	name, _, _ := strings.Cut(t.ContainerSpec.Image, "@")
	return name
}

func ports(all []swarm.PortConfig) string {
	var out []string
	for _, p := range all {
		if p.PublishMode != swarm.PortConfigPublishModeHost {
			out = append(out, fmt.Sprintf("*:%d->%d/%s", p.PublishedPort, p.TargetPort, p.Protocol))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

package stackcmd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/spf13/cobra"
)

func tasksCommand(c clock) *cobra.Command {
	var host string
	var running bool
	cmd := &cobra.Command{
		Use:   "ps STACK",
		Short: "List a stack's tasks, and what is wrong with them",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return connected(host, func(api *client.Client) error {
				filters := ofStack(args[0])
				if running {
					filters.Add("desired-state", "running")
				}
				tasks, err := api.TaskList(cmd.Context(), client.TaskListOptions{Filters: filters})
				if err != nil {
					return fmt.Errorf("the tasks of stack %s cannot be listed: %w", args[0], err)
				}
				services, err := servicesOf(cmd.Context(), api, args[0], false)
				if err != nil {
					return err
				}
				if len(services)+len(tasks.Items) == 0 {
					return noStack(args[0])
				}
				nodes, err := api.NodeList(cmd.Context(), client.NodeListOptions{})
				if err != nil {
					return fmt.Errorf("the nodes cannot be listed: %w", err)
				}
				return table(cmd, taskRows(tasks.Items, services, nodes.Items, c.Now()))
			})
		},
	}
	hostFlag(cmd, &host)
	cmd.Flags().BoolVar(&running, "running", false, "leave out tasks that are to end or have ended")
	return cmd
}

// taskRows are the tasks by service and slot, the newest of a slot first.
func taskRows(tasks []swarm.Task, services []swarm.Service, nodes []swarm.Node, now time.Time) [][]string {
	names := map[string]string{}
	for _, s := range services {
		names[s.ID] = s.Spec.Name
	}
	for _, n := range nodes {
		names[n.ID] = n.Description.Hostname
	}
	place := func(t swarm.Task) string { // a global service has a slot on each node
		if t.Slot == 0 {
			return t.NodeID
		}
		return fmt.Sprint(t.Slot)
	}
	name := func(t swarm.Task) string { return cmp.Or(names[t.ServiceID], t.ServiceID) + "." + place(t) }
	slices.SortFunc(tasks, func(a, b swarm.Task) int {
		return cmp.Or(cmp.Compare(names[a.ServiceID], names[b.ServiceID]), cmp.Compare(a.Slot, b.Slot), cmp.Compare(place(a), place(b)),
			b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	rows := [][]string{{"ID", "NAME", "IMAGE", "NODE", "DESIRED STATE", "CURRENT STATE", "ERROR"}}
	before := ""
	for _, t := range tasks {
		shown := name(t)
		if shown == before {
			shown = `\_ ` + shown
		} else {
			before = shown
		}
		state := fmt.Sprintf("%s %s ago", capital(string(t.Status.State)), strings.ToLower(units.HumanDuration(now.Sub(t.Status.Timestamp))))
		rows = append(rows, []string{t.ID[:min(short, len(t.ID))], shown, image(&t.Spec), names[t.NodeID], capital(string(t.DesiredState)), state, t.Status.Err})
	}
	return rows
}

func capital(word string) string {
	for i, r := range word {
		return string(unicode.ToUpper(r)) + word[i+len(string(r)):]
	}
	return word
}

package provision

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Node is what a machine's daemon says of itself, and what a manager says of it.
type Node struct {
	Machine Machine
	// Err is why it was not reached, or why its daemon does not answer; the rest is not known then.
	Err error
	// State is that of docker info: inactive, pending, active, error or locked.
	State, StateErr string
	ID              string
	// Control tells whether it is a manager that answers for the cluster, which then is known.
	Control bool
	Cluster string
	// Addr is where other nodes reach it as a manager.
	Addr string

	// What a manager says of it.
	Ready, Manager, Reachable, Leader bool
}

// Absent is the state of a machine on whose host no skep is installed.
const Absent = "absent"

// Join is what makes machines one cluster.
type Join struct {
	// Found is the machine that founds the cluster; empty: there is one.
	Found string
	// Managers and Workers are the machines that join, in order.
	Managers, Workers []string
	// Via is the manager that is asked for tokens; empty: the one that founds the cluster.
	Via string
}

// Joins decides which machines found and join, of those wanted among all that are known. A machine that was not reached
// is no obstacle, unless it may be what knows of a cluster.
func Joins(nodes []Node, wanted []string) (Join, error) {
	var j Join
	var clusters, lost, managers []string
	for _, n := range nodes {
		m := n.Machine
		isWanted := slices.Contains(wanted, m.Name)
		switch {
		case n.Err != nil && m.Role == Manager:
			lost = append(lost, m.Name)
		case n.Err != nil, n.State == Absent:
		case n.Control:
			if !slices.Contains(clusters, n.Cluster) {
				clusters = append(clusters, n.Cluster)
				managers = append(managers, m.Name)
			}
			j.Via = cmp.Or(j.Via, m.Name)
		case n.State == "active" || n.State == "pending":
			// Its role is looked at once a manager tells it.
		case n.State == "locked":
			return Join{}, fmt.Errorf("%s is locked: unlock it by docker swarm unlock there, then run this again", m.Name)
		case n.State != "inactive":
			return Join{}, fmt.Errorf("%s is in a cluster and out of order: %s", m.Name, cmp.Or(n.StateErr, n.State))
		case isWanted && m.Role == Manager:
			j.Managers = append(j.Managers, m.Name)
		case isWanted:
			j.Workers = append(j.Workers, m.Name)
		}
	}
	if len(clusters) > 1 {
		return Join{}, fmt.Errorf("%s are managers of different clusters: let those of one leave (docker swarm leave --force), or keep their machines apart by --dir", strings.Join(managers, " and "))
	}
	if j.Via != "" || len(j.Managers)+len(j.Workers) == 0 {
		return j, nil
	}
	if len(lost) > 0 {
		return Join{}, fmt.Errorf("no cluster is founded while %s, which may have one, cannot be reached", strings.Join(lost, " and "))
	}
	for _, n := range nodes {
		if n.State == "active" || n.State == "pending" {
			return Join{}, fmt.Errorf("%s is in a cluster of which no manager among the machines answers: see to its managers first, or let it leave (docker swarm leave)", n.Machine.Name)
		}
	}
	if len(j.Managers) == 0 {
		return Join{}, errors.New("none of the machines is a manager: a cluster is founded by one (--role manager)")
	}
	j.Found, j.Managers = j.Managers[0], j.Managers[1:]
	return j, nil
}

// Order is the order in which nodes are upgraded: workers, managers, the leader. Machines that need nothing are left out.
func Order(nodes []Node, needs func(Node) bool) []string {
	rank := func(n Node) int {
		switch {
		case n.Leader:
			return 2
		case n.Manager:
			return 1
		}
		return 0
	}
	var some []Node
	for _, n := range nodes {
		if needs(n) {
			some = append(some, n)
		}
	}
	slices.SortStableFunc(some, func(a, b Node) int { return cmp.Compare(rank(a), rank(b)) })
	var names []string
	for _, n := range some {
		names = append(names, n.Machine.Name)
	}
	return names
}

// Hinders says what forbids that a node is taken down for a moment, or that the next one is: another that is not well.
// Empty: nothing.
func Hinders(nodes []Node, except string) string {
	for _, n := range nodes {
		name := n.Machine.Name
		switch {
		case name == except:
		case n.Err != nil:
			return fmt.Sprintf("%s cannot be reached: %s", name, n.Err)
		case n.State != "active":
			return fmt.Sprintf("the daemon on %s is %s", name, cmp.Or(n.State, "not there"))
		case !n.Ready:
			return name + " is not ready"
		case n.Manager && !n.Reachable:
			return "the managers do not reach manager " + name
		}
	}
	return ""
}

// Spare says why a machine's node cannot be taken from the managers: those that are left would not have a majority of their
// number that is reached. A node that is no manager can be spared, and so can one that no manager told of.
func Spare(nodes []Node, name string) error {
	var left int
	var lost []string
	for _, n := range nodes {
		switch {
		case n.Machine.Name == name && !n.Manager:
			return nil
		case n.Machine.Name == name || !n.Manager:
		case n.Reachable:
			left++
		default:
			lost = append(lost, n.Machine.Name)
		}
	}
	if left > len(lost) {
		return nil
	}
	if len(lost) == 0 {
		return fmt.Errorf("%s is the last manager: --force ends the cluster with it", name)
	}
	return fmt.Errorf("without %s the managers would lose their majority, since %s cannot be reached: start what is off, or remove it first (skep machine rm --force %s)", name, strings.Join(lost, " and "), lost[0])
}

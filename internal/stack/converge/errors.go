package converge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
)

// maxErrors bounds what is said of one service.
const maxErrors = 5

// Errors are what the tasks say is wrong: of each slot the newest task that is not as it should be, each sentence once.
func Errors(s Service) []string {
	tasks := slices.Clone(s.Tasks)
	slices.SortFunc(tasks, func(a, b swarm.Task) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	said := map[string][]string{} // sentence → slots
	var order []string
	told := map[string]bool{}
	for _, t := range tasks {
		text := wrong(t)
		if name := slot(s, t); text != "" && !told[name] {
			told[name] = true
			if len(said[text]) == 0 {
				order = append(order, text)
			}
			said[text] = append(said[text], name)
		}
	}
	var out []string
	for _, text := range order {
		slices.Sort(said[text])
		out = append(out, strings.Join(said[text], ", ")+": "+text)
	}
	if len(out) > maxErrors {
		out = append(out[:maxErrors], fmt.Sprintf("and %d more: docker service ps %s", len(out)-maxErrors, s.Spec.Name))
	}
	return out
}

// wrong is what keeps a task from running or made it end; nothing for one that runs, or was to end.
func wrong(t swarm.Task) string {
	switch t.Status.State {
	case swarm.TaskStateRunning, swarm.TaskStateComplete, swarm.TaskStateShutdown, swarm.TaskStateRemove:
		return t.Status.Err
	case swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateOrphaned:
		return sentence(t.Status)
	}
	if t.DesiredState == swarm.TaskStateShutdown || t.DesiredState == swarm.TaskStateRemove {
		return ""
	}
	return sentence(t.Status)
}

func sentence(s swarm.TaskStatus) string {
	if said := cmp.Or(s.Err, s.Message); said != "" {
		return string(s.State) + ": " + said
	}
	return string(s.State)
}

// slot is a task's place: a number, or for a global service the node.
func slot(s Service, t swarm.Task) string {
	if t.Slot > 0 {
		return fmt.Sprintf("%s.%d", s.Spec.Name, t.Slot)
	}
	return s.Spec.Name + "." + cmp.Or(t.NodeID, t.ID)
}

package stackcmd

import (
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/stretchr/testify/require"
)

// TestTasksOfASlot: a slot's newest task comes first, wherever its tasks were; a global service has a slot on each node.
func TestTasksOfASlot(t *testing.T) {
	begin := time.Unix(1e9, 0)
	task := func(id, service, node string, slot, at int) swarm.Task {
		one := swarm.Task{ID: id, ServiceID: service, NodeID: node, Slot: slot, Spec: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "a:1"}}}
		one.CreatedAt = begin.Add(time.Duration(at) * time.Second)
		return one
	}
	rows := taskRows([]swarm.Task{
		task("old", "web", "n1", 1, 0), task("new", "web", "n2", 1, 1), task("ten", "web", "n1", 10, 0), task("two", "web", "n1", 2, 0),
		task("second", "all", "n2", 0, 0), task("first", "all", "n1", 0, 1),
	}, nil, nil, begin)
	var shown []string
	for _, row := range rows[1:] {
		shown = append(shown, row[0]+" "+row[1])
	}
	require.Equal(t, []string{"first all.n1", "second all.n2", "new web.1", `old \_ web.1`, "two web.2", "ten web.10"}, shown)
}

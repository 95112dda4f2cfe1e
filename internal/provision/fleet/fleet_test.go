package fleet

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/stretchr/testify/require"
)

// of are the things done on one host, in order.
func (w *world) of(name string) []string {
	var all []string
	for _, line := range w.done {
		if what, ok := strings.CutPrefix(line, name+": "); ok {
			all = append(all, what)
		}
	}
	return all
}

// TestCreate: bare hosts with systemd become a cluster; a second run finds nothing to do.
func TestCreate(t *testing.T) {
	f, w, _ := fleetOf(t, &fakeHost{name: "m1"}, &fakeHost{name: "m2", engine: true}, &fakeHost{name: "w1"})
	all := machinesOf("w1 worker", "m1 manager", "m2 manager")
	require.NoError(t, f.Create(t.Context(), all))
	require.Equal(t, []string{
		"copied", "apt-get", "engine started", "program installed", "unit of 1282 bytes", "enabled", "systemctl start skep.service", "founded the cluster",
	}, trim(w.of("m1")))
	require.Equal(t, []string{
		"copied", "program installed", "unit of 1282 bytes", "enabled", "systemctl start skep.service", "joined as manager at [m1:2377]",
	}, trim(w.of("m2")))
	require.Contains(t, w.of("w1"), "joined as worker at [m1:2377]")
	w.done = nil
	require.NoError(t, f.Create(t.Context(), all))
	require.Empty(t, w.done)
}

// trim leaves the unit's size out, which is no matter of the test.
func trim(all []string) []string {
	for i, s := range all {
		if strings.HasPrefix(s, "unit of ") {
			all[i] = "unit of 1282 bytes"
		}
	}
	return all
}

// TestCreateLost: a manager that is not reached keeps the cluster from being founded; the others are prepared.
func TestCreateLost(t *testing.T) {
	f, w, _ := fleetOf(t, &fakeHost{name: "m1", lost: true}, &fakeHost{name: "m2"})
	err := f.Create(t.Context(), machinesOf("m1 manager", "m2 manager"))
	require.ErrorContains(t, err, "m1: connecting to m1: no route to host")
	require.ErrorContains(t, err, "no cluster is founded while m1")
	require.NotContains(t, w.done, "m2: founded the cluster")
	w.hosts["m1"].lost = false
	require.NoError(t, f.Create(t.Context(), machinesOf("m1 manager", "m2 manager")))
	require.Contains(t, w.done, "m1: founded the cluster")
	require.Contains(t, w.done, "m2: joined as manager at [m1:2377]")
}

// TestCreateHangs: a host on which nothing ends is given up, and keeps no other from being prepared.
func TestCreateHangs(t *testing.T) {
	f, w, _ := fleetOf(t, &fakeHost{name: "m1"}, &fakeHost{name: "w1", hangs: true})
	f.LookLimit = 50 * time.Millisecond
	err := f.Create(t.Context(), machinesOf("m1 manager", "w1 worker"))
	require.ErrorContains(t, err, "w1: looking at the host: it has not ended within 50ms and was given up: see what hangs on the host")
	require.Contains(t, w.done, "m1: founded the cluster")
}

// TestRemoveSilent: a machine whose daemon does not answer is removed by force only, and then from the cluster too.
func TestRemoveSilent(t *testing.T) {
	silent := nodeHost("w1", swarm.NodeRoleWorker)
	silent.running = ""
	f, w, _ := fleetOf(t, nodeHost("m1", swarm.NodeRoleManager), silent)
	require.NoError(t, f.Store.Put(machinesOf("m1 manager", "w1 worker")))
	require.ErrorContains(t, f.Remove(t.Context(), "w1", false), "its daemon does not answer")
	require.Empty(t, w.done)
	require.NoError(t, f.Remove(t.Context(), "w1", true))
	require.Equal(t, []string{"w1: stopped", "w1: removed", "m1: removed node w1"}, w.done)
	_, err := f.Store.Get("w1")
	require.ErrorIs(t, err, ErrUnknown)
}

// TestUpgrade: workers first, the leader last; a second run does nothing.
func TestUpgrade(t *testing.T) {
	f, w, progress := fleetOf(t, nodeHost("m1", swarm.NodeRoleManager), nodeHost("m2", swarm.NodeRoleManager), nodeHost("w1", swarm.NodeRoleWorker))
	w.leader = "m1"
	require.NoError(t, f.Store.Put(machinesOf("m1 manager", "m2 manager", "w1 worker")))
	require.NoError(t, f.Upgrade(t.Context(), nil))
	require.Equal(t, []string{"w1", "m2", "m1"}, w.restarts())
	w.done = nil
	require.NoError(t, f.Upgrade(t.Context(), nil))
	require.Empty(t, w.done)
	require.Contains(t, progress.String(), "run this skep already")
}

func (w *world) restarts() []string {
	var all []string
	for _, line := range w.done {
		if name, ok := strings.CutSuffix(line, ": systemctl restart skep.service"); ok {
			all = append(all, name)
		}
	}
	return all
}

// TestUpgradeStops: one that does not come back is the last; one that is not well from the beginning is told, and nothing
// is touched.
func TestUpgradeStops(t *testing.T) {
	f, w, _ := fleetOf(t, nodeHost("m1", swarm.NodeRoleManager), nodeHost("m2", swarm.NodeRoleManager), nodeHost("w1", swarm.NodeRoleWorker))
	f.BackLimit = time.Second
	w.leader = "m1"
	w.hosts["m2"].broken = true
	require.NoError(t, f.Store.Put(machinesOf("m1 manager", "m2 manager", "w1 worker")))
	err := f.Upgrade(t.Context(), nil)
	require.ErrorContains(t, err, "m2 did not come back: its daemon does not run the new program")
	require.ErrorContains(t, err, "the upgrade stops here, and m1 stay as they are")
	require.Equal(t, []string{"w1", "m2"}, w.restarts())

	w.done = nil
	err = f.Upgrade(t.Context(), nil)
	require.ErrorContains(t, err, "nothing was upgraded, since not all is well: m2 cannot be reached")
	require.Empty(t, w.done)
}

// TestStore: what is kept, and what is refused.
func TestStore(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	require.NoError(t, s.Put(machinesOf("m1 manager")))
	require.NoError(t, s.Put(machinesOf("m1 worker")), "the same host may be given another role to have")
	other := machinesOf("m1 manager")
	other[0].Host = "elsewhere"
	require.ErrorContains(t, s.Put(append(machinesOf("m2 worker"), other...)), "there is a machine m1 already, at m1")
	all, err := s.All()
	require.NoError(t, err)
	require.Len(t, all, 1, "of what is refused nothing is kept")
	_, err = s.Get("m9")
	require.ErrorIs(t, err, ErrUnknown)
	require.NoError(t, os.WriteFile(s.file("m3"), []byte("{}"), 0o600))
	_, err = s.All()
	require.ErrorContains(t, err, "m3.json")

	unlock, err := s.Lock()
	require.NoError(t, err)
	_, err = s.Lock()
	require.ErrorContains(t, err, "another skep machine command works")
	unlock()
	unlock, err = s.Lock()
	require.NoError(t, err)
	unlock()
}

func TestPrograms(t *testing.T) {
	_, err := ReadPrograms([]string{"/etc/passwd"})
	require.ErrorContains(t, err, "it is no program for Linux")
	_, err = ReadPrograms([]string{"/bin/sh"})
	require.ErrorContains(t, err, "CGO_ENABLED=0")
}

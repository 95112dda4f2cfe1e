package volumes

import (
	"flag"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/csi/csitest"
	"github.com/skep-org/skep/internal/lab/hosts"
)

var (
	moves = flag.Int("moves", 6, "how often the service is moved or what it stands on is killed")
	seed  = flag.Uint64("seed", 1, "of the drivers' faults")
)

// moving: a stateful service moves between hosts with its volume, under kills and driver faults. What it wrote is there, each
// time; its volume is never on two hosts.
func moving(t *testing.T, p programs) {
	s := newScene(t, p, hosts.Config{Managers: 3, Workers: 2}, func(string) []string { return nil })
	c := s.client("m1")
	_, err := c.VolumeCreate(t.Context(), client.VolumeCreateOptions{Name: "data", Driver: "test", ClusterVolumeSpec: &volume.ClusterVolumeSpec{
		AccessMode: &volume.AccessMode{Scope: volume.ScopeSingleNode, Sharing: volume.SharingNone, MountVolume: &volume.TypeMount{}}}})
	s.must(err)
	handle := s.created(c, "data")
	one, delay, grace := uint64(1), 100*time.Millisecond, time.Second
	_, err = c.ServiceCreate(t.Context(), client.ServiceCreateOptions{Spec: swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "ledger"},
		Mode:        swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{Image: ledgerImage, Args: []string{"-ledger", "/data/ledger"}, StopGracePeriod: &grace,
				Mounts: []mount.Mount{{Type: mount.TypeCluster, Source: "data", Target: "/data"}}},
			RestartPolicy: &swarm.RestartPolicy{Delay: &delay},
			Placement:     &swarm.Placement{Constraints: []string{"node.hostname!=m1"}},
		},
	}})
	s.must(err)
	s.goesOn(c, "m1", handle)
	random := rand.New(rand.NewPCG(*seed, 0))
	for i := range *moves {
		began := time.Now()
		what := s.trouble(c, i, random)
		s.goesOn(c, "m1", handle)
		t.Logf("%d: %s: goes on after %v", i, what, time.Since(began).Round(10*time.Millisecond))
	}
	s.must(s.place.Calm())
	_, err = c.ServiceRemove(t.Context(), "ledger", client.ServiceRemoveOptions{})
	s.must(err)
	s.eventually(settleLimit, func() string {
		_, err := c.VolumeRemove(t.Context(), "data", client.VolumeRemoveOptions{})
		if err != nil {
			return err.Error()
		}
		return ""
	})
	s.eventually(settleLimit, func() string {
		state, err := s.place.Look()
		if err != nil || len(state.Volumes) > 0 {
			return "the driver still has its volume"
		}
		if _, err := s.volume(c, "data"); err == nil {
			return "the cluster still has its volume"
		}
		return ""
	})
	s.clean()
}

// trouble has something happen to the service where it runs, and faults to the drivers.
func (s *scene) trouble(c *client.Client, i int, random *rand.Rand) string {
	s.Helper()
	at := ""
	s.eventually(settleLimit, func() string {
		if at = s.runsOn(c, "ledger"); at == "" {
			return s.why("m1", "ledger")
		}
		return ""
	})
	s.plant(random)
	h := s.lab.Host(at)
	kinds := []func() string{
		func() string { s.drain(c, at); return "drained " + at },
		func() string {
			s.must(h.Signal(s.Context(), hosts.Daemon, syscall.SIGKILL))
			s.update(c)
			return "killed skep of " + at + " and updated"
		},
		func() string { s.off(at); return "switched " + at + " off" },
		func() string {
			s.must(h.Signal(s.Context(), hosts.Engine, syscall.SIGKILL))
			return "killed the engine of " + at
		},
		func() string {
			s.must(s.lab.Host("m1").Signal(s.Context(), hosts.Daemon, syscall.SIGKILL))
			s.eventually(settleLimit, func() string { return s.answers(c) })
			s.drain(c, at)
			return "killed skep of m1 and drained " + at
		},
		func() string { s.update(c); return "updated on " + at },
	}
	return kinds[i%len(kinds)]()
}

func (s *scene) answers(c *client.Client) string {
	if _, err := c.NodeList(s.Context(), client.NodeListOptions{}); err != nil {
		return err.Error()
	}
	return ""
}

// plant has some of the next calls of the drivers go wrong.
func (s *scene) plant(random *rand.Rand) {
	calls := []string{"ControllerPublishVolume", "ControllerUnpublishVolume", "NodeStageVolume", "NodePublishVolume", "NodeUnpublishVolume", "NodeUnstageVolume"}
	hows := []csitest.How{csitest.FailBefore, csitest.FailAfter, csitest.CrashBefore, csitest.CrashAfter}
	s.must(s.place.Calm())
	for range 3 {
		s.must(s.place.Plant(csitest.Fault{Call: calls[random.IntN(len(calls))], How: hows[random.IntN(len(hows))], Left: 1 + random.IntN(2)}))
	}
}

// drain empties a node until the service has left it.
func (s *scene) drain(c *client.Client, host string) {
	s.availability(c, host, swarm.NodeAvailabilityDrain)
	s.eventually(settleLimit, func() string {
		if now := s.runsOn(c, "ledger"); now == "" || now == host {
			return "it has not moved: " + s.why("m1", "ledger")
		}
		return ""
	})
	s.availability(c, host, swarm.NodeAvailabilityActive)
}

func (s *scene) availability(c *client.Client, host string, a swarm.NodeAvailability) {
	s.eventually(settleLimit, func() string {
		r, err := c.NodeInspect(s.Context(), host, client.NodeInspectOptions{})
		if err == nil {
			r.Node.Spec.Availability = a
			_, err = c.NodeUpdate(s.Context(), r.Node.ID, client.NodeUpdateOptions{Version: r.Node.Version, Spec: r.Node.Spec})
		}
		if err != nil {
			return err.Error()
		}
		return ""
	})
}

// update has the service's task replaced.
func (s *scene) update(c *client.Client) {
	s.eventually(settleLimit, func() string {
		r, err := c.ServiceInspect(s.Context(), "ledger", client.ServiceInspectOptions{})
		if err == nil {
			r.Service.Spec.TaskTemplate.ForceUpdate++
			_, err = c.ServiceUpdate(s.Context(), r.Service.ID, client.ServiceUpdateOptions{Version: r.Service.Version, Spec: r.Service.Spec})
		}
		if err != nil {
			return err.Error()
		}
		return ""
	})
}

// off takes a host's power until the service runs elsewhere.
func (s *scene) off(host string) {
	h := s.lab.Host(host)
	s.must(h.Kill(s.Context()))
	s.must(s.place.Died(host))
	c := s.client("m1")
	s.eventually(settleLimit, func() string {
		if now := s.runsOn(c, "ledger"); now == "" || now == host {
			v, err := s.volume(c, "data")
			return "it has not moved: " + s.why("m1", "ledger") + " " + tell(v, err)
		}
		return ""
	})
	s.must(h.Start(s.Context()))
	s.eventually(settleLimit, func() string {
		if _, err := h.Exec(s.Context(), "test", "-S", "/run/skep/csi/test.sock"); err != nil {
			return err.Error()
		}
		return ""
	})
	s.must(s.place.Lives(host))
}

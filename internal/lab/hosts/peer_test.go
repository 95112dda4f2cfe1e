package hosts_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// TestCluster makes five hosts with Docker's own swarm mode and breaks them in every way; in the end nothing is left.
func TestCluster(t *testing.T) {
	hoststest.NeedRoot(t)
	before := shared(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	lab := hoststest.Up(t, hosts.Config{Program: self, Managers: 3, Workers: 2, DockerSwarm: true})
	t.Run("managers agree", func(t *testing.T) { managersAgree(t, lab) })
	t.Run("a service spreads", func(t *testing.T) { serviceSpreads(t, lab) })
	t.Run("the client reaches a published port", func(t *testing.T) { clientReaches(t, lab) })
	t.Run("partitions cut", func(t *testing.T) { partitionsCut(t, lab) })
	t.Run("a paused host is silent", func(t *testing.T) { pausedIsSilent(t, lab) })
	t.Run("a command ends with its context", func(t *testing.T) { commandEnds(t, lab) })
	t.Run("power loss keeps the disk", func(t *testing.T) { powerLoss(t, lab) })
	if len(traces(t, lab.Dir(), lab.Cgroup())) < 5 {
		t.Error("a running lab left hardly a trace to look for")
	}
	if err := lab.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := traces(t, lab.Dir(), lab.Cgroup()); len(left) > 0 {
		t.Errorf("down left:\n%s", strings.Join(left, "\n"))
	}
	if after := shared(t); after != before {
		t.Errorf("a lab came and went; before:\n%s\nafter:\n%s", before, after)
	}
}

func managersAgree(t *testing.T, lab *hosts.Lab) {
	const want = "m1 Ready Leader\nm2 Ready Reachable\nm3 Ready Reachable\nw1 Ready \nw2 Ready"
	for _, name := range []string{"m1", "m2", "m3"} {
		got := on(t, lab.Host(name), "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}")
		if lines := strings.Split(got, "\n"); strings.Join(slices.Sorted(slices.Values(lines)), "\n") != want {
			t.Errorf("%s says:\n%s", name, got)
		}
	}
}

func serviceSpreads(t *testing.T, lab *hosts.Lab) {
	m1 := lab.Host("m1")
	on(t, m1, "docker", "service", "create", "--detach", "--name", "web", "--replicas", "10", hosts.WhoamiImage)
	eventually(t, time.Minute, func() string {
		tasks := on(t, m1, "docker", "service", "ps", "web", "--format", "{{.Node}} {{.CurrentState}}")
		for _, h := range lab.Hosts() {
			if strings.Count(tasks, h.Name+" Running") != 2 {
				return tasks
			}
		}
		return ""
	})
	for _, h := range lab.Hosts() {
		list, err := h.Engine().ContainerList(t.Context(), client.ContainerListOptions{})
		if err != nil || len(list.Items) != 2 {
			t.Errorf("%s runs %d containers: %v", h.Name, len(list.Items), err)
		}
	}
}

func clientReaches(t *testing.T, lab *hosts.Lab) {
	w1 := lab.Host("w1")
	on(t, w1, "docker", "run", "--detach", "--name", "page", "--publish", "8080:8080", hosts.WhoamiImage)
	eventually(t, 10*time.Second, func() string {
		text, err := page(t.Context(), lab.Client(), w1.Address.String()+":8080")
		switch {
		case err != nil:
			return err.Error()
		case !strings.Contains(text, "RemoteAddr: "+lab.Client().Address.String()+":"):
			return "the client was not seen: " + text
		}
		return ""
	})
	if got := on(t, lab.Client(), "getent", "hosts", "w1"); !strings.HasPrefix(got, w1.Address.String()) {
		t.Errorf("the client knows w1 as %q", got)
	}
}

func partitionsCut(t *testing.T, lab *hosts.Lab) {
	ctx := t.Context()
	m1, m2, w1, outside := lab.Host("m1"), lab.Host("m2"), lab.Host("w1"), lab.Client()
	expect := func(step string, from, to *hosts.Host, want bool) {
		t.Helper()
		got := reaches(t, from, to)
		for try := 0; try < 20 && want && !got; try++ { // a busy machine may be slow to answer
			got = reaches(t, from, to)
		}
		if got != want {
			t.Errorf("%s: that %s reaches %s is %v", step, from.Name, to.Name, got)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expect("at first", m1, m2, true)
	do(lab.Partition(ctx, []string{"m1"}, []string{"m2", "w1"}))
	expect("two groups", m1, m2, false)
	expect("two groups", m2, m1, false)
	expect("two groups", m2, w1, true)
	expect("two groups", m1, lab.Host("m3"), true)
	expect("two groups", outside, m1, true)
	do(lab.Heal(ctx))
	expect("healed", m1, m2, true)
	do(lab.PartitionOneWay(ctx, []string{"client"}, []string{"m1"}))
	expect("one way", outside, m1, false)
	expect("one way", outside, m2, true)
	do(lab.Heal(ctx))
	do(lab.Loss(ctx, "m1", 100))
	expect("all lost", m2, m1, false)
	do(lab.Loss(ctx, "m1", 0))
	expect("none lost", m2, m1, true)
	if err := lab.Delay(ctx, "m1", 20*time.Millisecond); err != nil && !strings.Contains(err.Error(), "this kernel cannot: it has no netem") {
		t.Errorf("a delay is refused: %v", err)
	}
	do(lab.Heal(ctx))
	for _, bad := range [][][]string{{{"m9"}}, {{"m1"}, {"m1"}}, {{}}, {}, {{"m1", "m2", "m3", "w1", "w2"}}} {
		if err := lab.Partition(ctx, bad...); err == nil {
			t.Errorf("a partition into %v is accepted", bad)
		}
	}
}

func pausedIsSilent(t *testing.T, lab *hosts.Lab) {
	w2 := lab.Host("w2")
	if err := w2.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, err := w2.Status(t.Context()); err != nil || s.Power != "paused" {
		t.Errorf("the status is %+v, %v", s, err)
	}
	if err := w2.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, err := w2.Status(t.Context()); err != nil || s.Power != "on" || s.Engine != "answers" {
		t.Errorf("the status is %+v, %v", s, err)
	}
	// What is frozen cannot die unless it is thawed.
	if err := w2.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w2.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func commandEnds(t *testing.T, lab *hosts.Lab) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := lab.Host("m1").Exec(ctx, "sleep", "4711"); err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("after %v a command that had 0.3 s says %v", time.Since(began), err)
	}
	eventually(t, 5*time.Second, func() string {
		return on(t, lab.Host("m1"), "sh", "-c", "grep -l 471[1] /proc/[0-9]*/cmdline || true")
	})
}

func powerLoss(t *testing.T, lab *hosts.Lab) {
	w1 := lab.Host("w1")
	on(t, w1, "docker", "volume", "create", "kept")
	id := on(t, w1, "docker", "info", "--format", "{{.ID}} {{.Swarm.NodeID}}")
	mac := on(t, w1, "cat", "/sys/class/net/eth0/address")
	if err := w1.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if on, err := w1.Running(); on || err != nil {
		t.Errorf("a killed host runs: %v, %v", on, err)
	}
	if _, err := w1.Exec(t.Context(), "true"); err == nil || !strings.Contains(err.Error(), "skep lab start w1") {
		t.Errorf("a command on a host that is off says %v", err)
	}
	if err := w1.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := on(t, w1, "docker", "info", "--format", "{{.ID}} {{.Swarm.NodeID}}"); got != id {
		t.Errorf("before the power loss the engine and node were %s, now %s", id, got)
	}
	if got := on(t, w1, "cat", "/sys/class/net/eth0/address"); got != mac {
		t.Errorf("before the power loss the MAC was %s, now %s", mac, got)
	}
	on(t, w1, "docker", "volume", "inspect", "kept")
	on(t, w1, "docker", "container", "inspect", "page")
	if err := w1.Start(t.Context()); err == nil {
		t.Error("a host that is on is started")
	}
}

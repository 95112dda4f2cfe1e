package docker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/docker"
	"github.com/skep-org/skep/internal/executor/socketmount"
	"github.com/skep-org/skep/internal/model"
)

// TestEngine is what concerns this implementation alone, on one engine.
func TestEngine(t *testing.T) {
	engine := startEngine(t)
	plane := newPlane(t, engine)
	for name, test := range map[string]func(*testing.T, *harness){
		"secrets and configs in the container": secretsInContainer,
		"networks":                             networksOnEngine,
		"networks made anew":                   networksMadeAnew,
		"a network made twice":                 networkMadeTwice,
		"whom to ask for names":                ownResolver,
		"networks that do not work yet":        notReady,
		"ports on the ingress network":         ingressPorts,
		"a node without overlay networks":      noOverlays,
		"a foreign network of the name":        foreignNetwork,
		"adopting a half-connected container":  halfConnected,
		"the Docker socket becomes skep's":     dockerSocket,
		"other nodes' containers":              otherNodes,
		"anonymous volumes go":                 anonymousVolumes,
		"a name that is taken":                 takenName,
		"the words of a failed pull":           pullWords,
		"an OOM kill":                          outOfMemory,
	} {
		t.Run(name, func(t *testing.T) {
			if name != "networks" { // which prunes the others' away
				t.Parallel()
			}
			h := newHarness(t, engine)
			h.plane = plane
			test(t, h)
		})
	}
}

// said runs a task to its end and returns what it printed.
func said(t *testing.T, e *docker.Executor, task *executor.Task) string {
	t.Helper()
	task.Spec.ContainerSpec.Args = append(task.Spec.ContainerSpec.Args, "-exit-after=1ms")
	run(t, e, task)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	logs, err := e.Logs(ctx, task.ID, executor.LogOptions{Stdout: true, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	out := new(strings.Builder)
	for header := make([]byte, 8); ; {
		if _, err := io.ReadFull(logs, header); errors.Is(err, io.EOF) {
			return out.String()
		} else if err != nil {
			t.Fatal(err)
		}
		n := int64(header[4])<<24 | int64(header[5])<<16 | int64(header[6])<<8 | int64(header[7])
		if _, err := io.CopyN(out, logs, n); err != nil {
			t.Fatal(err)
		}
	}
}

func secretsInContainer(t *testing.T, h *harness) {
	e := h.docker(t)
	id := model.ID(env.Real().NewID()).String()
	task := h.task(&swarm.ContainerSpec{
		Args: []string{"-show=/run/secrets/key,/etc/app.conf,/run/secrets/named,/plain"}, ReadOnly: true,
		Secrets: []*swarm.SecretReference{
			{SecretID: id, SecretName: "key", File: &swarm.SecretReferenceFileTarget{Name: "key", UID: "5", GID: "6", Mode: 0o440}},
			{SecretID: id, SecretName: "named", File: &swarm.SecretReferenceFileTarget{Mode: 0o444}},
		},
		Configs: []*swarm.ConfigReference{
			{ConfigID: id, ConfigName: "c", File: &swarm.ConfigReferenceFileTarget{Name: "/etc/app.conf", UID: "7", GID: "8", Mode: 0o400}},
			{ConfigID: id, ConfigName: "plain", File: &swarm.ConfigReferenceFileTarget{Mode: 0o444}},
		},
	})
	task.Secrets, task.Configs = map[string][]byte{id: []byte("hush")}, map[string][]byte{id: []byte("open")}
	want := `/run/secrets/key -r--r----- 5:6 "hush" true
/etc/app.conf -r-------- 7:8 "open" true
/run/secrets/named -r--r--r-- 0:0 "hush" true
/plain -r--r--r-- 0:0 "open" true
`
	if got := said(t, e, task); got != want {
		t.Errorf("in the container:\n%swant:\n%s", got, want)
	}
	dir := filepath.Join(h.files, task.ID.String())
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the task's directory: %v, %v; want it closed to others", info, err)
	}
	if err := e.Remove(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after remove the task's directory is still there: %v", err)
	}
	task.Secrets = nil
	if _, err := e.Prepare(t.Context(), task); err == nil || !strings.Contains(err.Error(), "secret key ("+id+") did not reach this node") {
		t.Errorf("prepare without the secret: %v", err)
	}
	if entries, err := os.ReadDir(h.files); err != nil || len(entries) != 0 {
		t.Errorf("a failed prepare left %v, %v", entries, err)
	}
}

// nothing is the networks of a node without tasks.
func nothing() []model.ID { return nil }

// clusterNetwork is an overlay with the subnet 10.99.<third>.0/24, and the place on it that .<last> is.
func clusterNetwork(name string, third, last int) executor.Network {
	subnet := fmt.Sprintf("10.99.%d.", third)
	return executor.Network{
		ID: env.Real().NewID(), Name: name, Subnet: subnet + "0/24", Gateway: subnet + "1", Addr: fmt.Sprintf("%s%d/24", subnet, last),
		Spec: &swarm.NetworkSpec{
			Annotations:         swarm.Annotations{Name: name, Labels: map[string]string{"mine": "yes"}},
			DriverConfiguration: &swarm.Driver{Name: "overlay", Options: map[string]string{"com.docker.network.driver.mtu": "1400"}},
		},
	}
}

func networksOnEngine(t *testing.T, h *harness) {
	e, api := h.docker(t), h.engine.Client()
	front, back := clusterNetwork("front", 1, 77), clusterNetwork("back", 2, 78)
	back.Spec.Internal = true
	server := h.task(&swarm.ContainerSpec{})
	server.ServiceName, server.Networks = "server", []executor.Network{front, back}
	c := run(t, e, server)
	shown, err := api.ContainerInspect(t.Context(), c.ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	attached := shown.Container.NetworkSettings.Networks
	if len(attached) != 2 || attached["front"] == nil || attached["back"] == nil || attached["front"].IPAddress.String() != "10.99.1.77" ||
		attached["front"].MacAddress.String() != "02:42:0a:63:01:4d" {
		t.Fatalf("the container is on %+v", attached)
	}
	net, err := api.NetworkInspect(t.Context(), "back", client.NetworkInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n := net.Network
	if n.Driver != "skep" || n.Scope != "local" || !n.Internal || n.Labels[docker.LabelNetworkID] != back.ID.String() || n.Labels["mine"] != "yes" ||
		n.IPAM.Driver != "null" || n.Options["com.docker.network.driver.mtu"] != "1400" {
		t.Errorf("the network is %+v", n)
	}
	prune := func() error { return e.PruneNetworks(t.Context(), func() []model.ID { return []model.ID{front.ID} }) }
	if err := prune(); !errors.Is(err, executor.ErrBusy) {
		t.Fatal("back still has a container:", err)
	}
	if err := e.Remove(t.Context(), server.ID); err != nil {
		t.Fatal(err)
	}
	// One that is brought for a plain container stays until the engine knows that container.
	release, err := e.BringNetwork(t.Context(), back)
	if err != nil {
		t.Fatal(err)
	}
	// The engine lets a removed container's endpoints go a little later; until then the network is busy anyway.
	for {
		if net, err := api.NetworkInspect(t.Context(), "back", client.NetworkInspectOptions{}); err != nil || len(net.Network.Containers) == 0 {
			break
		}
	}
	if err := prune(); !errors.Is(err, executor.ErrBusy) {
		t.Fatal("back is brought for a container:", err)
	}
	// A plain container that is to be started there keeps a network, although nothing runs on it.
	guest, err := api.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Config: &container.Config{Image: server.Image, Cmd: []string{"x"}}, HostConfig: &container.HostConfig{NetworkMode: "back"}})
	if err != nil {
		t.Fatal(err)
	}
	release()
	if err := prune(); err != nil && !errors.Is(err, executor.ErrBusy) { // containers that were just removed
		t.Fatal("a network that a container waits for:", err)
	}
	if _, err := api.NetworkInspect(t.Context(), "back", client.NetworkInspectOptions{}); err != nil {
		t.Fatal("a network that a container waits for is gone:", err)
	}
	if _, err := api.ContainerRemove(t.Context(), guest.ID, client.ContainerRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	// The engine lets a removed container's endpoints go a little later; until then the network is busy.
	gone := time.Now().Add(20 * time.Second)
	for err := executor.ErrBusy; errors.Is(err, executor.ErrBusy); {
		if err = prune(); err != nil && (!errors.Is(err, executor.ErrBusy) || time.Now().After(gone)) {
			t.Fatal(err)
		}
	}
	list, err := api.NetworkList(t.Context(), client.NetworkListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range list.Items {
		names = append(names, n.Name)
	}
	if !slices.Contains(names, "front") || slices.Contains(names, "back") {
		t.Errorf("after pruning all but front there are %v", names)
	}
	server.ID = env.Real().NewID()
	run(t, e, server) // back is made anew
}

// ownResolver: a task on an overlay asks the node's name server, one that brings the file asks its own.
func ownResolver(t *testing.T, h *harness) {
	e := h.docker(t)
	show := []string{"-show=/etc/resolv.conf"}
	task := h.task(&swarm.ContainerSpec{Args: show, DNSConfig: &swarm.DNSConfig{Search: []string{"example.org"}}})
	task.Networks = []executor.Network{clusterNetwork("resolved", 4, 5)}
	want := fmt.Sprintf("/etc/resolv.conf -rw-r--r-- 0:0 %q true\n", "nameserver 10.99.4.1\nsearch example.org\noptions ndots:0 timeout:2 attempts:3\n")
	if got := said(t, e, task); got != want {
		t.Errorf("in the container:\n%swant:\n%s", got, want)
	}
	id := model.ID(env.Real().NewID()).String()
	brings := h.task(&swarm.ContainerSpec{Args: show, Configs: []*swarm.ConfigReference{
		{ConfigID: id, ConfigName: "c", File: &swarm.ConfigReferenceFileTarget{Name: "/etc/resolv.conf", Mode: 0o444}},
	}})
	brings.Configs, brings.Networks = map[string][]byte{id: []byte("mine")}, []executor.Network{clusterNetwork("resolved-too", 5, 5)}
	if got := said(t, e, brings); !strings.Contains(got, `"mine"`) {
		t.Errorf("a task that brings the file sees\n%s", got)
	}
}

// notReady: a container whose networks do not work yet is not told as running, by nothing.
func notReady(t *testing.T, h *harness) {
	e := h.docker(t)
	task := h.task(&swarm.ContainerSpec{})
	task.Networks = []executor.Network{clusterNetwork("late", 6, 5)}
	asked, answer := make(chan struct{}), make(chan error)
	h.plane.awaits(task.ID, func(ctx context.Context) error {
		close(asked)
		select {
		case err := <-answer:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ready, told, ended := make(chan struct{}), make(chan executor.Container, 10), make(chan error, 1)
	go func() { ended <- e.Watch(ctx, func() { close(ready) }, func(c executor.Container) { told <- c }) }()
	<-ready
	started := make(chan error, 1)
	t.Cleanup(func() { _ = e.Remove(context.Background(), task.ID) })
	if _, err := e.Prepare(ctx, task); err != nil {
		t.Fatal(err)
	}
	go func() {
		c, err := e.Start(ctx, task)
		if err == nil && c.Phase != executor.Running {
			err = fmt.Errorf("start tells %+v", c)
		}
		started <- err
	}()
	<-asked
	list, err := e.List(ctx)
	if err != nil || len(list) != 1 || list[0].Phase != executor.Created {
		t.Errorf("while its networks are waited for list tells %+v, %v", list, err)
	}
	// Events come in order: when another container's making is told, the start has been seen.
	other := h.task(&swarm.ContainerSpec{})
	t.Cleanup(func() { _ = e.Remove(context.Background(), other.ID) })
	if _, err := e.Prepare(ctx, other); err != nil {
		t.Fatal(err)
	}
	for c := range told {
		if c.Phase == executor.Running {
			t.Errorf("watch told of a running container whose start had not: %+v", c)
		}
		if c.TaskID == other.ID {
			break
		}
	}
	answer <- nil
	if err := <-started; err != nil {
		t.Error(err)
	}
	if err := e.Stop(ctx, task.ID); err != nil {
		t.Error(err)
	}
	cancel()
	_ = <-ended
}

// ingressPorts: where the way out is the ingress network, ports are the data plane's, and told as such.
func ingressPorts(t *testing.T, h *harness) {
	ingress := clusterNetwork("ingress-here", 7, 5)
	ingress.Spec.Ingress = true
	task := h.task(&swarm.ContainerSpec{})
	task.Networks = []executor.Network{ingress}
	task.Ports = []swarm.PortConfig{{TargetPort: 80, PublishedPort: 8080, PublishMode: swarm.PortConfigPublishModeHost}}
	c := run(t, h.docker(t), task)
	want := []swarm.PortConfig{{Protocol: "tcp", TargetPort: 80, PublishedPort: 8080, PublishMode: swarm.PortConfigPublishModeHost}}
	if !slices.Equal(c.Ports, want) {
		t.Errorf("its ports are told as %+v", c.Ports)
	}
}

// noOverlays: a node whose kernel cannot do it rejects what needs it, with the reason, and runs everything else.
func noOverlays(t *testing.T, h *harness) {
	h.plane = nil
	e := h.docker(t)
	task := h.task(&swarm.ContainerSpec{})
	task.Networks = []executor.Network{clusterNetwork("impossible", 8, 5)}
	_, err := e.Prepare(t.Context(), task)
	if err == nil || err.Error() != "network impossible: there are no overlay networks on this node" {
		t.Errorf("prepare: %v", err)
	}
	task.Networks = nil
	run(t, e, task)
}

func foreignNetwork(t *testing.T, h *harness) {
	e := h.docker(t)
	if _, err := h.engine.Client().NetworkCreate(t.Context(), "foreign", client.NetworkCreateOptions{}); err != nil {
		t.Fatal(err)
	}
	task := h.task(&swarm.ContainerSpec{})
	task.Networks = []executor.Network{clusterNetwork("foreign", 3, 5)}
	if _, err := e.Prepare(t.Context(), task); err == nil || !strings.Contains(err.Error(), "not the cluster's") || errors.Is(err, executor.ErrUnavailable) {
		t.Errorf("prepare: %v", err)
	}
	task.Networks = []executor.Network{{Name: "foreign"}} // asked for as such it is fine
	run(t, e, task)
}

// networksMadeAnew: a stack is removed and deployed again while its last task has not ended. The name is free for the
// cluster, but not yet on the engine.
func networksMadeAnew(t *testing.T, h *harness) {
	e := h.docker(t)
	last, next := h.task(&swarm.ContainerSpec{}), h.task(&swarm.ContainerSpec{})
	last.Networks = []executor.Network{clusterNetwork("anew", 9, 5)}
	run(t, e, last)
	next.Networks = []executor.Network{clusterNetwork("anew", 10, 5)}
	if _, err := e.Prepare(t.Context(), next); !errors.Is(err, executor.ErrBusy) {
		t.Errorf("prepare while the earlier network is in use: %v", err)
	}
	if err := e.Remove(t.Context(), last.ID); err != nil {
		t.Fatal(err)
	}
	run(t, e, next)
}

// networkMadeTwice: a daemon was killed while the engine made a network for it, and the next one asked again before the
// engine had.
func networkMadeTwice(t *testing.T, h *harness) {
	e := h.docker(t)
	twice := clusterNetwork("twice", 13, 5)
	task := h.task(&swarm.ContainerSpec{})
	task.Networks = []executor.Network{twice}
	t.Cleanup(func() {
		if err := e.Remove(context.Background(), task.ID); err != nil {
			t.Error(err)
		}
	})
	if _, err := e.Prepare(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	again, err := h.engine.Client().NetworkInspect(t.Context(), "twice", client.NetworkInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// The client would have the engine look for another of the name: what a request that is under way has done already.
	body, err := json.Marshal(map[string]any{
		"Name": "twice", "Driver": again.Network.Driver, "Labels": again.Network.Labels, "Options": again.Network.Options, "IPAM": map[string]string{"Driver": "null"},
	})
	if err != nil {
		t.Fatal(err)
	}
	raw := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", h.engine.Socket())
	}}}
	answer, err := raw.Post("http://engine/v1.41/networks/create", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	said, err := io.ReadAll(answer.Body)
	switch {
	case err == nil && answer.StatusCode == http.StatusConflict:
		t.Skip("this engine makes no second network of a name (those before 25.0 do): it says", string(said))
	case err != nil || answer.StatusCode != http.StatusCreated:
		t.Fatal(answer.Status, string(said), err)
	}
	if _, err := e.Start(t.Context(), task); err != nil {
		t.Error(err)
	}
	list, err := h.engine.Client().NetworkList(t.Context(), client.NetworkListOptions{Filters: client.Filters{}.Add("name", "twice")})
	if err != nil || len(list.Items) != 1 {
		t.Errorf("after the start there are %+v, %v", list.Items, err)
	}
}

// halfConnected: the process ended between the creation of a container and its connection to the second network.
func halfConnected(t *testing.T, h *harness) {
	e := h.docker(t)
	a, b := clusterNetwork("half-a", 11, 5), clusterNetwork("half-b", 12, 5)
	task := h.task(&swarm.ContainerSpec{})
	task.Networks = []executor.Network{a}
	t.Cleanup(func() {
		if err := e.Remove(context.Background(), task.ID); err != nil {
			t.Error(err)
		}
	})
	if _, err := e.Prepare(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	task.Networks = []executor.Network{a, b}
	c, err := h.docker(t).Start(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := h.engine.Client().ContainerInspect(t.Context(), c.ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n := shown.Container.NetworkSettings.Networks; n["half-a"] == nil || n["half-b"] == nil {
		t.Errorf("the container is on %+v, want both networks", n)
	}
}

func dockerSocket(t *testing.T, h *harness) {
	socket := filepath.Join(h.files, "skep.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	h.source = socketmount.Rewriter{Socket: socket}.Path
	task := h.task(&swarm.ContainerSpec{Mounts: []mount.Mount{{Type: mount.TypeBind, Source: "/var/run/docker.sock", Target: "/var/run/docker.sock"}}})
	c := run(t, h.docker(t), task)
	shown, err := h.engine.Client().ContainerInspect(t.Context(), c.ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if m := shown.Container.Mounts; len(m) != 1 || m[0].Source != socket || m[0].Destination != "/var/run/docker.sock" {
		t.Errorf("mounted is %+v", m)
	}
}

func otherNodes(t *testing.T, h *harness) {
	other := newHarness(t, h.engine)
	task := other.task(&swarm.ContainerSpec{})
	run(t, other.docker(t), task)
	e := h.docker(t)
	if list, err := e.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("list tells %+v, %v: want nothing of the other node's", list, err)
	}
	if err := e.Stop(t.Context(), task.ID); !errors.Is(err, executor.ErrNoContainer) {
		t.Errorf("stopping the other node's task: %v", err)
	}
}

func anonymousVolumes(t *testing.T, h *harness) {
	e, api := h.docker(t), h.engine.Client()
	task := h.task(&swarm.ContainerSpec{Mounts: []mount.Mount{{Type: mount.TypeVolume, Target: "/anonymous"}, {Type: mount.TypeVolume, Source: "kept", Target: "/kept"}}})
	c := run(t, e, task)
	shown, err := api.ContainerInspect(t.Context(), c.ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Remove(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	for _, m := range shown.Container.Mounts {
		_, err := api.VolumeInspect(t.Context(), m.Name, client.VolumeInspectOptions{})
		if kept := err == nil; kept != (m.Name == "kept") {
			t.Errorf("volume of %s: %v", m.Destination, err)
		}
	}
}

func takenName(t *testing.T, h *harness) {
	e := h.docker(t)
	task := h.task(&swarm.ContainerSpec{})
	theirs := *task
	theirs.NodeID = env.Real().NewID() // as the engine once was in another cluster
	other := newHarness(t, h.engine)
	other.node = theirs.NodeID
	run(t, other.docker(t), &theirs)
	if _, err := e.Prepare(t.Context(), task); err == nil || !strings.Contains(err.Error(), "already in use") || errors.Is(err, executor.ErrUnavailable) {
		t.Errorf("prepare: %v", err)
	}
}

func pullWords(t *testing.T, h *harness) {
	task := h.task(&swarm.ContainerSpec{Image: "registry.invalid/none:1"})
	_, err := h.docker(t).Prepare(t.Context(), task)
	if err == nil || !strings.HasPrefix(err.Error(), "No such image: registry.invalid/none:1") || !strings.Contains(err.Error(), "lookup registry.invalid") {
		t.Errorf("prepare: %v; want the missing image and the words of the failed pull", err)
	}
}

// outOfMemory: the engine itself does not always notice, when its memory event comes after the exit; what watch tells is
// what the engine believes, and that is right at one of some tries.
func outOfMemory(t *testing.T, h *harness) {
	e := h.docker(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ready, done := make(chan struct{}), make(chan error, 1)
	ended := make(chan executor.Container, 100)
	go func() {
		done <- e.Watch(ctx, func() { close(ready) }, func(c executor.Container) {
			if c.Phase == executor.Exited {
				ended <- c
			}
		})
	}()
	<-ready
	noticed := false
	for range 20 { // the engine hears of it by another way than of the end, and often too late
		task := h.task(&swarm.ContainerSpec{Args: []string{"-eat"}})
		task.Spec.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 16 << 20}, SwapBytes: new(int64)}
		run(t, e, task)
		var told executor.Container
		for told.TaskID != task.ID {
			select {
			case told = <-ended:
			case <-ctx.Done():
				t.Fatal("watch never told of the container's end")
			}
		}
		list, err := e.List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(c executor.Container) bool { return c.TaskID == task.ID })
		if i < 0 || told.ExitCode != 137 || told.OOMKilled != list[i].OOMKilled {
			t.Fatalf("watch tells %+v, the engine %+v", told, list)
		}
		if noticed = told.OOMKilled; noticed {
			break
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("watch ended with %v", err)
	}
	if !noticed {
		t.Skip("the engine did not notice in time that any of twenty containers was killed for want of memory: what it told is what it lists")
	}
}

// TestEngineRestart: while the engine is away every call says so, Watch ends, and afterwards all is found again.
func TestEngineRestart(t *testing.T) {
	lab := startEngine(t)
	h := newHarness(t, lab)
	e := h.docker(t)
	task := h.task(&swarm.ContainerSpec{})
	before := run(t, e, task)
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- e.Watch(t.Context(), func() { close(ready) }, func(executor.Container) {}) }()
	<-ready
	if err := lab.Signal(t.Context(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, executor.ErrUnavailable) {
		t.Errorf("watch ended with %v", err)
	}
	other := h.task(&swarm.ContainerSpec{})
	for what, call := range map[string]func() error{
		"list":     func() error { _, err := e.List(t.Context()); return err },
		"describe": func() error { _, err := e.Describe(t.Context()); return err },
		"prepare":  func() error { _, err := e.Prepare(t.Context(), other); return err },
		"start":    func() error { _, err := e.Start(t.Context(), other); return err },
		"stop":     func() error { return e.Stop(t.Context(), task.ID) },
		"remove":   func() error { return e.Remove(t.Context(), task.ID) },
		"logs":     func() error { _, err := e.Logs(t.Context(), task.ID, executor.LogOptions{Stdout: true}); return err },
		"networks": func() error { return e.PruneNetworks(t.Context(), nothing) },
		"check":    func() error { return e.CheckEngine(t.Context()) },
		"watch":    func() error { return e.Watch(t.Context(), func() { t.Error("ready without an engine") }, nil) },
	} {
		if err := call(); !errors.Is(err, executor.ErrUnavailable) {
			t.Errorf("%s without an engine: %v, want ErrUnavailable", what, err)
		}
	}
	if err := lab.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := e.List(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != before.ID {
		t.Errorf("after the restart list tells %+v, %v; want container %s", list, err, before.ID)
	}
	run(t, e, other)
}

// TestCheckEngine refuses an engine in swarm mode, and says how to leave it.
func TestCheckEngine(t *testing.T) {
	lab := startEngine(t)
	e := newHarness(t, lab).docker(t)
	if err := e.CheckEngine(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Client().SwarmInit(t.Context(), client.SwarmInitOptions{ListenAddr: "127.0.0.1:2377", AdvertiseAddr: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	err := e.CheckEngine(t.Context())
	if err == nil || !strings.Contains(err.Error(), "swarm leave --force") || errors.Is(err, executor.ErrUnavailable) {
		t.Errorf("an engine in swarm mode: %v", err)
	}
}

package docker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/privilege"
)

// TestSpecsOnEngine holds what is beyond Docker's own specs, and templated files, against a real engine's containers.
func TestSpecsOnEngine(t *testing.T) {
	h := newHarness(t, startEngine(t))
	for name, f := range map[string]func(*testing.T, *harness){
		"privileges": privileges, "hostIP": hostIP, "templatedFiles": templatedFiles, "brokenTemplate": brokenTemplate,
	} {
		t.Run(name, func(t *testing.T) { f(t, h) })
	}
}

func settings(t *testing.T, labels map[string]string) *privilege.Settings {
	t.Helper()
	s, err := privilege.Parse(labels)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func privileges(t *testing.T, h *harness) {
	e := h.docker(t)
	all := h.task(&swarm.ContainerSpec{})
	all.Beyond = settings(t, map[string]string{"skep.privileged": "true", "skep.gpus": "device=0,1"})
	t.Cleanup(func() { _ = e.Remove(context.Background(), all.ID) })
	prepared, err := e.Prepare(t.Context(), all) // not started: a machine may have no GPU, and fewer capabilities than there are
	if err != nil {
		t.Fatal(err)
	}
	whole, err := h.engine.Client().ContainerInspect(t.Context(), prepared.ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := whole.Container.HostConfig; !got.Privileged || len(got.DeviceRequests) != 1 || !slices.Equal(got.DeviceRequests[0].DeviceIDs, []string{"0", "1"}) {
		t.Errorf("the engine has it privileged=%v with the GPUs %+v", got.Privileged, got.DeviceRequests)
	}
	task := h.task(&swarm.ContainerSpec{})
	task.Beyond = settings(t, map[string]string{
		"skep.devices": "/dev/null:/dev/nothing:r", "skep.security-opt": "label=disable", "skep.shm-size": "32m",
	})
	c := run(t, e, task)
	answer, err := h.engine.Client().ContainerInspect(t.Context(), c.ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := answer.Container.HostConfig
	if got.Privileged || got.ShmSize != 32<<20 || !slices.Contains(got.SecurityOpt, "label=disable") {
		t.Errorf("the engine runs it privileged=%v shm=%d security=%v", got.Privileged, got.ShmSize, got.SecurityOpt)
	}
	if len(got.Devices) != 1 || got.Devices[0].PathInContainer != "/dev/nothing" || got.Devices[0].CgroupPermissions != "r" {
		t.Errorf("its devices are %+v", got.Devices)
	}
}

func hostIP(t *testing.T, h *harness) {
	task := h.task(&swarm.ContainerSpec{})
	task.Ports = []swarm.PortConfig{
		{Protocol: network.TCP, TargetPort: 80, PublishedPort: 18080, PublishMode: swarm.PortConfigPublishModeHost},
		{Protocol: network.TCP, TargetPort: 81, PublishedPort: 18081, PublishMode: swarm.PortConfigPublishModeHost},
	}
	task.Beyond = settings(t, map[string]string{"skep.publish.18080.host-ip": "127.0.0.1"})
	c := run(t, h.docker(t), task)
	answer, err := h.engine.Client().ContainerInspect(t.Context(), c.ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for port, want := range map[string]string{"80/tcp": "127.0.0.1", "81/tcp": "0.0.0.0"} {
		bindings := answer.Container.NetworkSettings.Ports[network.MustParsePort(port)]
		if len(bindings) == 0 || bindings[0].HostIP.String() != want {
			t.Errorf("port %s is published on %v, want %s", port, bindings, want)
		}
	}
}

func templatedFiles(t *testing.T, h *harness) {
	secret, config, plain := model.ID(env.Real().NewID()).String(), model.ID(env.Real().NewID()).String(), model.ID(env.Real().NewID()).String()
	task := h.task(&swarm.ContainerSpec{
		Args: []string{"-show=/run/secrets/key,/etc/app.conf,/plain"}, Env: []string{"A=value"},
		Secrets: []*swarm.SecretReference{{SecretID: secret, SecretName: "key", File: &swarm.SecretReferenceFileTarget{Name: "key", Mode: 0o400}}},
		Configs: []*swarm.ConfigReference{
			{ConfigID: config, ConfigName: "c", File: &swarm.ConfigReferenceFileTarget{Name: "/etc/app.conf", Mode: 0o400}},
			{ConfigID: plain, ConfigName: "p", File: &swarm.ConfigReferenceFileTarget{Name: "/plain", Mode: 0o400}},
		},
	})
	task.ServiceLabels = map[string]string{"tier": "front"}
	task.Secrets = map[string][]byte{secret: []byte(`{{.Service.Name}} {{env "A"}}`)}
	task.Configs = map[string][]byte{config: []byte(`{{.Service.Labels.tier}} {{.Node.Hostname}} {{secret "key"}} {{config "/plain"}}`), plain: []byte("{{.Task.ID}}")}
	task.Templates = map[string]string{secret: "golang", config: "golang"}
	want := fmt.Sprintf("/run/secrets/key -r-------- 0:0 %q true\n/etc/app.conf -r-------- 0:0 %q true\n/plain -r-------- 0:0 %q true\n",
		"web value", `front host {{.Service.Name}} {{env "A"}} {{.Task.ID}}`, "{{.Task.ID}}")
	if got := said(t, h.docker(t), task); strings.ReplaceAll(got, " false\n", " true\n") != want {
		t.Errorf("in the container:\n%swant:\n%s", got, want)
	}
}

// brokenTemplate: a template that says nothing fails its task when it is started, in Docker's words.
func brokenTemplate(t *testing.T, h *harness) {
	e := h.docker(t)
	id := model.ID(env.Real().NewID()).String()
	task := h.task(&swarm.ContainerSpec{Configs: []*swarm.ConfigReference{{ConfigID: id, ConfigName: "c", File: &swarm.ConfigReferenceFileTarget{Name: "/c", Mode: 0o444}}}})
	task.Configs, task.Templates = map[string][]byte{id: []byte(`{{secret "nope"}}`)}, map[string]string{id: "golang"}
	t.Cleanup(func() { _ = e.Remove(context.Background(), task.ID) })
	if _, err := e.Prepare(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	want := "unable to get config from config store: failed to expand templated config " + id +
		`: template: expansion:1:2: executing "expansion" at <secret "nope">: error calling secret: secret target nope not found`
	for range 2 { // also by a process that did not prepare it
		if _, err := e.Start(t.Context(), task); err == nil || err.Error() != want {
			t.Errorf("started: %v\nwant: %s", err, want)
		}
		e = h.docker(t)
	}
}

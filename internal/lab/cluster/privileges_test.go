package cluster

import (
	"strings"

	"github.com/skep-org/skep/internal/lab/hosts"
)

// privileges: what the cluster's policy allows reaches a container on any node, what it does not is refused by the managers;
// and by the node, when the policy changed after the service was made.
func privileges(f *fixture) {
	create := func(name string, labels ...string) []string {
		args := []string{"service", "create", "--detach", "--name", name, "--constraint", "node.hostname==w1", "--restart-delay", "100ms"}
		for _, l := range labels {
			args = append(args, "--label", l)
		}
		return append(args, hosts.WhoamiImage)
	}
	strong := create("strong", "skep.shm-size=96m", "skep.devices=/dev/null:/dev/nothing", "skep.security-opt=label=disable")
	f.refused("m1", "does not allow service strong the label skep.", strong...)
	for _, privilege := range []string{"shm-size", "devices", "security-opt", "privileged"} {
		f.policy("m2", "allow", privilege, "--service", "stro*")
	}
	f.docker("m3", strong...)
	f.runs(settleLimit, "strong", 1)
	f.made("strong", "false 100663296 /dev/null:/dev/nothing [label=disable]")
	if said := f.policy("m1", "rm", "devices", "--service", "stro*"); !strings.Contains(said, "strong") {
		f.t.Errorf("the policy's change does not name the service that asks for it: %s", said)
	}
	for id := range f.containers("w1", "strong") {
		f.engine("w1", "kill", id)
	}
	f.eventually(settleLimit, func() string {
		said := f.docker("m1", "service", "ps", "--no-trunc", "--format", "{{.CurrentState}} {{.Error}}", "strong")
		for line := range strings.Lines(said) {
			if strings.HasPrefix(line, "Rejected") && strings.Contains(line, `policy "devices"`) {
				return ""
			}
		}
		return "the next container is not refused:\n" + said
	})
	// Whether such a container runs is for the machine: inside of some virtual machines it may not.
	f.docker("m1", create("stronger", "skep.privileged=true")...)
	f.eventually(settleLimit, func() string {
		if f.engine("w1", "ps", "--all", "--quiet", "--filter", "label=com.docker.swarm.service.name=stronger") == "" {
			return "no container was made"
		}
		return ""
	})
	f.made("stronger", "true 67108864  [label=disable]")
	f.docker("m1", "service", "rm", "strong", "stronger")
	for _, privilege := range []string{"shm-size", "security-opt", "privileged"} {
		f.policy("m1", "rm", privilege, "--service", "stro*")
	}
}

// made looks at the privileges of a service's newest container on w1.
func (f *fixture) made(service, want string) {
	f.t.Helper()
	id := f.engine("w1", "ps", "--all", "--quiet", "--last", "1", "--filter", "label=com.docker.swarm.service.name="+service)
	got := f.engine("w1", "inspect", "--format",
		"{{.HostConfig.Privileged}} {{.HostConfig.ShmSize}} {{range .HostConfig.Devices}}{{.PathOnHost}}:{{.PathInContainer}}{{end}} {{.HostConfig.SecurityOpt}}", id)
	if got != want {
		f.t.Errorf("the container of %s has %q, wanted %q", service, got, want)
	}
}

// engine runs a docker command that asks a host's engine itself.
func (f *fixture) engine(host string, args ...string) string {
	f.t.Helper()
	out, err := f.Host(host).Exec(f.t.Context(), append([]string{"docker", "-H", "unix:///run/docker.sock"}, args...)...)
	f.must(err)
	return out
}

func (f *fixture) policy(host string, args ...string) string {
	f.t.Helper()
	out, err := f.Host(host).Exec(f.t.Context(), append([]string{f.skep, "policy"}, args...)...)
	f.must(err)
	return out
}

package docker_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// field is what is proved of one field of a task's spec.
type field struct {
	spec  func(*swarm.TaskSpec)               // sets it; nil takes the full spec
	got   func(container.InspectResponse) any // where the engine shows it
	want  any                                 // what is to be found there
	error string                              // the task is refused with these words instead
	older string                              // refused with these words where the engine is too old for it
	why   string                              // or: why it is not for the engine
}

const mib = 1 << 20

// full is a spec with every field that goes together on any engine.
func full(files model.ID) *swarm.TaskSpec {
	yes, swap, swappiness, grace := true, int64(8*mib), int64(20), 7*time.Second
	return &swarm.TaskSpec{
		ContainerSpec: &swarm.ContainerSpec{
			Image: fixture, Labels: map[string]string{"l": "v"}, Command: []string{"/fixture"}, Args: []string{"-say=x"},
			Hostname: "h", Env: []string{"A=b"}, Dir: "/d", User: "1:2", Groups: []string{"77"},
			Privileges: &swarm.Privileges{
				NoNewPrivileges: true, Seccomp: &swarm.SeccompOpts{Mode: swarm.SeccompModeCustom, Profile: []byte(`{"defaultAction":"SCMP_ACT_ALLOW"}`)},
				AppArmor:       &swarm.AppArmorOpts{Mode: swarm.AppArmorModeDisabled},
				SELinuxContext: &swarm.SELinuxContext{User: "u", Role: "r", Type: "t", Level: "l"},
			},
			Init: &yes, StopSignal: "SIGINT", TTY: true, OpenStdin: true, ReadOnly: true, StopGracePeriod: &grace,
			Mounts: []mount.Mount{
				{Type: mount.TypeBind, Source: "/usr", Target: "/bind", ReadOnly: true, Consistency: mount.ConsistencyCached, BindOptions: &mount.BindOptions{Propagation: mount.PropagationRSlave, NonRecursive: true}},
				{Type: mount.TypeVolume, Source: "vol", Target: "/vol", VolumeOptions: &mount.VolumeOptions{
					NoCopy: true, Labels: map[string]string{"vl": "vv"}, DriverConfig: &mount.Driver{Name: "local", Options: map[string]string{"type": "tmpfs", "device": "tmpfs"}},
				}},
				{Type: mount.TypeTmpfs, Target: "/tmp", TmpfsOptions: &mount.TmpfsOptions{SizeBytes: mib, Mode: 0o700}},
			},
			Healthcheck: &container.HealthConfig{Test: []string{"CMD", "/fixture", "-check=well"}, Interval: time.Hour, Timeout: time.Minute, StartPeriod: time.Second, Retries: 4},
			Hosts:       []string{"1.2.3.4 one"},
			DNSConfig:   &swarm.DNSConfig{Nameservers: []netip.Addr{netip.MustParseAddr("9.9.9.9")}, Search: []string{"example.org"}, Options: []string{"ndots:2"}},
			Secrets:     []*swarm.SecretReference{{SecretID: files.String(), SecretName: "s", File: &swarm.SecretReferenceFileTarget{Name: "s", UID: "1", GID: "2", Mode: 0o400}}},
			Configs:     []*swarm.ConfigReference{{ConfigID: files.String(), ConfigName: "c", File: &swarm.ConfigReferenceFileTarget{Name: "/etc/c", UID: "1", GID: "2", Mode: 0o440}}},
			Isolation:   container.IsolationDefault, Sysctls: map[string]string{"net.ipv4.ip_unprivileged_port_start": "1"},
			CapabilityAdd: []string{"CAP_NET_ADMIN"}, CapabilityDrop: []string{"CAP_CHOWN"},
			Ulimits: []*container.Ulimit{{Name: "nofile", Soft: 100, Hard: 200}}, OomScoreAdj: 300,
		},
		Resources: &swarm.ResourceRequirements{
			Limits:       &swarm.Limit{NanoCPUs: 5e8, MemoryBytes: 64 * mib, Pids: 50},
			Reservations: &swarm.Resources{MemoryBytes: 32 * mib}, SwapBytes: &swap, MemorySwappiness: &swappiness,
		},
		LogDriver: &swarm.Driver{Name: "json-file", Options: map[string]string{"max-size": "1m"}},
	}
}

func mountAt(r container.InspectResponse, target string) mount.Mount {
	for _, m := range r.HostConfig.Mounts {
		if m.Target == target {
			return m
		}
	}
	return mount.Mount{}
}

// securityOpt finds the option that begins so.
func securityOpt(prefix string) func(container.InspectResponse) any {
	return func(r container.InspectResponse) any {
		for _, o := range r.HostConfig.SecurityOpt {
			if strings.HasPrefix(o, prefix) {
				return o
			}
		}
		return r.HostConfig.SecurityOpt
	}
}

func onlyMount(m mount.Mount) func(*swarm.TaskSpec) {
	m.Target = "/m"
	return func(s *swarm.TaskSpec) {
		s.ContainerSpec = &swarm.ContainerSpec{Image: fixture, Mounts: []mount.Mount{m}}
	}
}

func only(c swarm.ContainerSpec) func(*swarm.TaskSpec) {
	c.Image = fixture
	return func(s *swarm.TaskSpec) { s.ContainerSpec = &c }
}

type inspected = container.InspectResponse

// fields has an entry for every field of a task's spec, by its path.
func fields() map[string]field {
	const orchestrator, scheduler = "the orchestrator's: it decides when tasks are made anew", "the scheduler's: the task is placed already"
	const assigned = "the scheduler's: executor.Task has what it gave the task, see translate"
	const notContainer = "not supported"
	c := map[string]field{
		"Image":           {got: func(r inspected) any { return r.Config.Image }, want: fixture},
		"Labels":          {got: func(r inspected) any { return r.Config.Labels["l"] }, want: "v"},
		"Command":         {got: func(r inspected) any { return r.Config.Entrypoint }, want: []string{"/fixture"}},
		"Args":            {got: func(r inspected) any { return r.Config.Cmd }, want: []string{"-say=x"}},
		"Hostname":        {got: func(r inspected) any { return r.Config.Hostname }, want: "h"},
		"Env":             {got: func(r inspected) any { return slices.Contains(r.Config.Env, "A=b") }, want: true},
		"Dir":             {got: func(r inspected) any { return r.Config.WorkingDir }, want: "/d"},
		"User":            {got: func(r inspected) any { return r.Config.User }, want: "1:2"},
		"Groups":          {got: func(r inspected) any { return r.HostConfig.GroupAdd }, want: []string{"77"}},
		"Init":            {got: func(r inspected) any { return *r.HostConfig.Init }, want: true},
		"StopSignal":      {got: func(r inspected) any { return r.Config.StopSignal }, want: "SIGINT"},
		"TTY":             {got: func(r inspected) any { return r.Config.Tty }, want: true},
		"OpenStdin":       {got: func(r inspected) any { return r.Config.OpenStdin }, want: true},
		"ReadOnly":        {got: func(r inspected) any { return r.HostConfig.ReadonlyRootfs }, want: true},
		"StopGracePeriod": {got: func(r inspected) any { return *r.Config.StopTimeout }, want: 7},
		"Hosts":           {got: func(r inspected) any { return r.HostConfig.ExtraHosts }, want: []string{"one:1.2.3.4"}},
		"Isolation":       {spec: only(swarm.ContainerSpec{Isolation: container.IsolationHyperV}), error: "isolation"},
		"Sysctls":         {got: func(r inspected) any { return r.HostConfig.Sysctls }, want: map[string]string{"net.ipv4.ip_unprivileged_port_start": "1"}},
		"CapabilityAdd":   {got: func(r inspected) any { return r.HostConfig.CapAdd }, want: []string{"CAP_NET_ADMIN"}},
		"CapabilityDrop":  {got: func(r inspected) any { return r.HostConfig.CapDrop }, want: []string{"CAP_CHOWN"}},
		"Ulimits":         {got: func(r inspected) any { return r.HostConfig.Ulimits[0].String() }, want: "nofile=100:200"},
		"OomScoreAdj":     {got: func(r inspected) any { return r.HostConfig.OomScoreAdj }, want: 300},

		"Privileges.NoNewPrivileges":         {got: securityOpt("no-new"), want: "no-new-privileges=true"},
		"Privileges.Seccomp.Mode":            {spec: only(swarm.ContainerSpec{Privileges: &swarm.Privileges{Seccomp: &swarm.SeccompOpts{Mode: swarm.SeccompModeUnconfined}}}), got: securityOpt("seccomp"), want: "seccomp=unconfined"},
		"Privileges.Seccomp.Profile":         {got: securityOpt("seccomp"), want: `seccomp={"defaultAction":"SCMP_ACT_ALLOW"}`},
		"Privileges.AppArmor.Mode":           {got: securityOpt("apparmor"), want: "apparmor=unconfined"},
		"Privileges.SELinuxContext.Disable":  {spec: only(swarm.ContainerSpec{Privileges: &swarm.Privileges{SELinuxContext: &swarm.SELinuxContext{Disable: true}}}), got: securityOpt("label"), want: "label=disable"},
		"Privileges.SELinuxContext.User":     {got: securityOpt("label=user"), want: "label=user:u"},
		"Privileges.SELinuxContext.Role":     {got: securityOpt("label=role"), want: "label=role:r"},
		"Privileges.SELinuxContext.Type":     {got: securityOpt("label=type"), want: "label=type:t"},
		"Privileges.SELinuxContext.Level":    {got: securityOpt("label=level"), want: "label=level:l"},
		"Privileges.CredentialSpec.Config":   {spec: only(swarm.ContainerSpec{Privileges: &swarm.Privileges{CredentialSpec: &swarm.CredentialSpec{Config: "x"}}}), error: "credential spec: config"},
		"Privileges.CredentialSpec.File":     {spec: only(swarm.ContainerSpec{Privileges: &swarm.Privileges{CredentialSpec: &swarm.CredentialSpec{File: "x"}}}), error: "credentialspec"},
		"Privileges.CredentialSpec.Registry": {spec: only(swarm.ContainerSpec{Privileges: &swarm.Privileges{CredentialSpec: &swarm.CredentialSpec{Registry: "x"}}}), error: "credentialspec"},

		"DNSConfig.Nameservers": {got: func(r inspected) any { return fmt.Sprint(r.HostConfig.DNS) }, want: "[9.9.9.9]"},
		"DNSConfig.Search":      {got: func(r inspected) any { return r.HostConfig.DNSSearch }, want: []string{"example.org"}},
		"DNSConfig.Options":     {got: func(r inspected) any { return r.HostConfig.DNSOptions }, want: []string{"ndots:2"}},

		"Healthcheck.Test":        {got: func(r inspected) any { return r.Config.Healthcheck.Test }, want: []string{"CMD", "/fixture", "-check=well"}},
		"Healthcheck.Interval":    {got: func(r inspected) any { return r.Config.Healthcheck.Interval }, want: time.Hour},
		"Healthcheck.Timeout":     {got: func(r inspected) any { return r.Config.Healthcheck.Timeout }, want: time.Minute},
		"Healthcheck.StartPeriod": {got: func(r inspected) any { return r.Config.Healthcheck.StartPeriod }, want: time.Second},
		"Healthcheck.Retries":     {got: func(r inspected) any { return r.Config.Healthcheck.Retries }, want: 4},
		"Healthcheck.StartInterval": {
			spec:  only(swarm.ContainerSpec{Healthcheck: &container.HealthConfig{Test: []string{"CMD", "/fixture"}, StartPeriod: time.Hour, StartInterval: time.Minute}}),
			older: "StartInterval", got: func(r inspected) any { return r.Config.Healthcheck.StartInterval }, want: time.Minute,
		},

		"Mounts.Type":                               {got: func(r inspected) any { return mountAt(r, "/tmp").Type }, want: mount.TypeTmpfs},
		"Mounts.Source":                             {got: func(r inspected) any { return mountAt(r, "/bind").Source }, want: "/usr"},
		"Mounts.Target":                             {got: func(r inspected) any { return mountAt(r, "/vol").Target }, want: "/vol"},
		"Mounts.ReadOnly":                           {got: func(r inspected) any { return mountAt(r, "/bind").ReadOnly }, want: true},
		"Mounts.Consistency":                        {got: func(r inspected) any { return mountAt(r, "/bind").Consistency }, want: mount.ConsistencyCached},
		"Mounts.BindOptions.Propagation":            {got: func(r inspected) any { return mountAt(r, "/bind").BindOptions.Propagation }, want: mount.PropagationRSlave},
		"Mounts.BindOptions.NonRecursive":           {got: func(r inspected) any { return mountAt(r, "/bind").BindOptions.NonRecursive }, want: true},
		"Mounts.VolumeOptions.NoCopy":               {got: func(r inspected) any { return mountAt(r, "/vol").VolumeOptions.NoCopy }, want: true},
		"Mounts.VolumeOptions.Labels":               {got: func(r inspected) any { return mountAt(r, "/vol").VolumeOptions.Labels["vl"] }, want: "vv"},
		"Mounts.TmpfsOptions.SizeBytes":             {got: func(r inspected) any { return mountAt(r, "/tmp").TmpfsOptions.SizeBytes }, want: int64(mib)},
		"Mounts.TmpfsOptions.Mode":                  {got: func(r inspected) any { return uint32(mountAt(r, "/tmp").TmpfsOptions.Mode) }, want: uint32(0o700)},
		"Mounts.ClusterOptions":                     {spec: onlyMount(mount.Mount{Type: mount.TypeVolume, ClusterOptions: &mount.ClusterOptions{}}), error: "cluster volumes"},
		"Mounts.VolumeOptions.DriverConfig.Name":    {got: func(r inspected) any { return mountAt(r, "/vol").VolumeOptions.DriverConfig.Name }, want: "local"},
		"Mounts.VolumeOptions.DriverConfig.Options": {got: func(r inspected) any { return mountAt(r, "/vol").VolumeOptions.DriverConfig.Options["type"] }, want: "tmpfs"},
		"Mounts.BindOptions.CreateMountpoint": {
			spec:  onlyMount(mount.Mount{Type: mount.TypeBind, Source: "/usr", BindOptions: &mount.BindOptions{CreateMountpoint: true}}),
			older: "CreateMountpoint", got: func(r inspected) any { return mountAt(r, "/m").BindOptions.CreateMountpoint }, want: true,
		},
		"Mounts.BindOptions.ReadOnlyNonRecursive": {
			spec:  onlyMount(mount.Mount{Type: mount.TypeBind, Source: "/usr", ReadOnly: true, BindOptions: &mount.BindOptions{ReadOnlyNonRecursive: true}}),
			older: "ReadOnlyNonRecursive", got: func(r inspected) any { return mountAt(r, "/m").BindOptions.ReadOnlyNonRecursive }, want: true,
		},
		"Mounts.BindOptions.ReadOnlyForceRecursive": {
			spec:  onlyMount(mount.Mount{Type: mount.TypeBind, Source: "/usr", ReadOnly: true, BindOptions: &mount.BindOptions{ReadOnlyForceRecursive: true, Propagation: mount.PropagationRPrivate}}),
			older: "ReadOnlyForceRecursive", got: func(r inspected) any { return mountAt(r, "/m").BindOptions.ReadOnlyForceRecursive }, want: true,
		},
		"Mounts.VolumeOptions.Subpath": {
			spec:  onlyMount(mount.Mount{Type: mount.TypeVolume, Source: "data", VolumeOptions: &mount.VolumeOptions{Subpath: "s"}}),
			older: "Subpath", got: func(r inspected) any { return mountAt(r, "/m").VolumeOptions.Subpath }, want: "s",
		},
		"Mounts.ImageOptions.Subpath": {
			spec:  onlyMount(mount.Mount{Type: mount.TypeImage, Source: fixture, ImageOptions: &mount.ImageOptions{Subpath: "s"}}),
			older: "image as a mount", got: func(r inspected) any { return mountAt(r, "/m").ImageOptions.Subpath }, want: "s",
		},
		"Mounts.TmpfsOptions.Options": {
			spec:  onlyMount(mount.Mount{Type: mount.TypeTmpfs, TmpfsOptions: &mount.TmpfsOptions{Options: [][]string{{"exec"}}}}),
			older: "TmpfsOptions.Options", got: func(r inspected) any { return mountAt(r, "/m").TmpfsOptions.Options }, want: [][]string{{"exec"}},
		},

		"Secrets.SecretID":   {got: func(r inspected) any { return strings.HasSuffix(mountAt(r, "/run/secrets/s").Source, "/secret0") }, want: true},
		"Secrets.SecretName": {why: "a name for the error when the secret is missing"},
		"Secrets.File.Name":  {got: func(r inspected) any { return mountAt(r, "/run/secrets/s").ReadOnly }, want: true},
		"Secrets.File.UID":   {why: "of the file itself: TestSecretsInContainer"},
		"Secrets.File.GID":   {why: "of the file itself: TestSecretsInContainer"},
		"Secrets.File.Mode":  {why: "of the file itself: TestSecretsInContainer"},
		"Configs.ConfigID":   {got: func(r inspected) any { return strings.HasSuffix(mountAt(r, "/etc/c").Source, "/config0") }, want: true},
		"Configs.ConfigName": {why: "a name for the error when the config is missing"},
		"Configs.File.Name":  {got: func(r inspected) any { return mountAt(r, "/etc/c").ReadOnly }, want: true},
		"Configs.File.UID":   {why: "of the file itself: TestSecretsInContainer"},
		"Configs.File.GID":   {why: "of the file itself: TestSecretsInContainer"},
		"Configs.File.Mode":  {why: "of the file itself: TestSecretsInContainer"},
		"Configs.Runtime":    {why: "marks a config that is a credential spec, which goes to the engine as a security option"},
	}
	all := map[string]field{
		"PluginSpec.Name":                   {spec: func(s *swarm.TaskSpec) { *s = swarm.TaskSpec{PluginSpec: &swarm.RuntimeSpec{Name: "p"}} }, error: notContainer},
		"PluginSpec.Remote":                 {why: "of engine plugins, which are refused: PluginSpec.Name"},
		"PluginSpec.Disabled":               {why: "of engine plugins, which are refused: PluginSpec.Name"},
		"PluginSpec.Env":                    {why: "of engine plugins, which are refused: PluginSpec.Name"},
		"PluginSpec.Privileges.Name":        {why: "of engine plugins, which are refused: PluginSpec.Name"},
		"PluginSpec.Privileges.Description": {why: "of engine plugins, which are refused: PluginSpec.Name"},
		"PluginSpec.Privileges.Value":       {why: "of engine plugins, which are refused: PluginSpec.Name"},
		"NetworkAttachmentSpec.ContainerID": {spec: func(s *swarm.TaskSpec) {
			*s = swarm.TaskSpec{NetworkAttachmentSpec: &swarm.NetworkAttachmentSpec{ContainerID: "x"}}
		}, error: "network attachment"},
		"Runtime": {spec: func(s *swarm.TaskSpec) { s.Runtime = swarm.RuntimePlugin }, error: notContainer},

		"Resources.Limits.NanoCPUs":                                          {got: func(r inspected) any { return r.HostConfig.NanoCPUs }, want: int64(5e8)},
		"Resources.Limits.MemoryBytes":                                       {got: func(r inspected) any { return r.HostConfig.Memory }, want: int64(64 * mib)},
		"Resources.Limits.Pids":                                              {got: func(r inspected) any { return *r.HostConfig.PidsLimit }, want: int64(50)},
		"Resources.Reservations.MemoryBytes":                                 {got: func(r inspected) any { return r.HostConfig.MemoryReservation }, want: int64(32 * mib)},
		"Resources.Reservations.NanoCPUs":                                    {why: "the scheduler's: an engine cannot set processors aside"},
		"Resources.SwapBytes":                                                {got: func(r inspected) any { return r.HostConfig.MemorySwap }, want: int64(72 * mib)},
		"Resources.MemorySwappiness":                                         {got: func(r inspected) any { return *r.HostConfig.MemorySwappiness }, want: int64(20)},
		"Resources.Reservations.GenericResources.NamedResourceSpec.Kind":     {why: assigned},
		"Resources.Reservations.GenericResources.NamedResourceSpec.Value":    {why: assigned},
		"Resources.Reservations.GenericResources.DiscreteResourceSpec.Kind":  {why: assigned},
		"Resources.Reservations.GenericResources.DiscreteResourceSpec.Value": {why: assigned},

		"LogDriver.Name":    {got: func(r inspected) any { return r.HostConfig.LogConfig.Type }, want: "json-file"},
		"LogDriver.Options": {got: func(r inspected) any { return r.HostConfig.LogConfig.Config }, want: map[string]string{"max-size": "1m"}},

		"Networks.Target":     {why: "the allocator's: executor.Task has the networks it resolved to, see TestNetworks"},
		"Networks.Aliases":    {why: "the allocator's: executor.Task has the networks it resolved to, see TestNetworks"},
		"Networks.DriverOpts": {why: "the allocator's: executor.Task has the networks it resolved to, see TestNetworks"},
		"ForceUpdate":         {why: orchestrator},

		"RestartPolicy.Condition":   {why: orchestrator},
		"RestartPolicy.Delay":       {why: orchestrator},
		"RestartPolicy.MaxAttempts": {why: orchestrator},
		"RestartPolicy.Window":      {why: orchestrator},

		"Placement.Constraints":                         {why: scheduler},
		"Placement.Preferences.Spread.SpreadDescriptor": {why: scheduler},
		"Placement.MaxReplicas":                         {why: scheduler},
		"Placement.Platforms.Architecture":              {why: scheduler},
		"Placement.Platforms.OS":                        {why: scheduler},
	}
	for path, f := range c {
		all["ContainerSpec."+path] = f
	}
	return all
}

// TestFields proves of every field of a task's spec that the engine is told of it, that the task is refused, or says why
// it is neither. A field that a newer version of Docker's types brings fails this test until it has its line.
func TestFields(t *testing.T) {
	cases := fields()
	paths := map[string]bool{}
	for _, path := range leaves(reflect.TypeFor[swarm.TaskSpec](), "") {
		paths[path] = true
		if _, ok := cases[path]; !ok {
			t.Errorf("field %s has no case", path)
		}
	}
	for path := range cases {
		if !paths[path] {
			t.Errorf("there is no field %s", path)
		}
	}
	h := newHarness(t, startEngine(t))
	e := h.docker(t)
	base := created(t, h, e, func(*swarm.TaskSpec) {})
	for _, path := range slices.Sorted(maps.Keys(cases)) {
		f := cases[path]
		if f.why != "" {
			continue
		}
		t.Run(path, func(t *testing.T) {
			shown := base
			if f.spec != nil {
				shown = created(t, h, e, f.spec)
			}
			if said := f.error + f.older; shown.err != nil && said != "" && strings.Contains(shown.err.Error(), said) {
				return
			}
			switch {
			case shown.err != nil:
				t.Fatalf("refused: %v", shown.err)
			case f.error != "":
				t.Fatalf("accepted, want it refused with %q", f.error)
			}
			if got := f.got(shown.inspect); !reflect.DeepEqual(got, f.want) {
				t.Errorf("the engine shows %#v, want %#v", got, f.want)
			}
		})
	}
}

type shown struct {
	inspect container.InspectResponse
	err     error
}

// created prepares a task and shows what the engine made of it.
func created(t *testing.T, h *harness, e executor.Executor, change func(*swarm.TaskSpec)) shown {
	t.Helper()
	task := h.task(&swarm.ContainerSpec{})
	task.Spec = full(task.ServiceID)
	change(task.Spec)
	task.Secrets = map[string][]byte{task.ServiceID.String(): []byte("secret")}
	task.Configs = map[string][]byte{task.ServiceID.String(): []byte("config")}
	t.Cleanup(func() {
		if err := e.Remove(context.Background(), task.ID); err != nil {
			t.Error(err)
		}
	})
	c, err := e.Prepare(t.Context(), task)
	if err != nil {
		return shown{err: err}
	}
	answer, err := h.engine.Client().ContainerInspect(t.Context(), c.ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return shown{inspect: answer.Container}
}

// leaves lists the paths of a struct's fields, down to those that are no structs of Docker's.
func leaves(t reflect.Type, path string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	foreign := t == reflect.TypeFor[netip.Addr]() || t == reflect.TypeFor[container.Ulimit]()
	if t.Kind() != reflect.Struct || t.NumField() == 0 || foreign {
		return []string{strings.TrimPrefix(path, ".")}
	}
	var all []string
	for f := range t.Fields() {
		all = append(all, leaves(f.Type, path+"."+f.Name)...)
	}
	return all
}

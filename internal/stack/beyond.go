package stack

import (
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/skep-org/skep/internal/model/privilege"
	"github.com/skep-org/skep/internal/stack/finding"
)

const byPolicy = "which a policy has to allow (docs/privileges.md)"

// beyond writes what swarm's specs have no field for as labels of skep.
func (s *service) beyond(labels map[string]string) {
	written := map[string]bool{}
	for label := range labels {
		written[label] = true
	}
	set := func(name, key, value string) {
		label := privilege.Prefix + name
		if written[label] {
			s.refuse(key, "the service has the label %s as well: leave one out", label)
			return
		}
		labels[label] = value
	}
	if s.Privileged {
		set(privilege.Privileged, "privileged", "true")
	}
	if s.ShmSize > 0 {
		set(privilege.ShmSize, "shm_size", strconv.FormatInt(int64(s.ShmSize), 10))
	}
	if devices := s.devices(); len(devices) > 0 {
		set(privilege.Devices, "devices", strings.Join(devices, ","))
	}
	if options := s.securityOptions(); len(options) > 0 {
		set(privilege.SecurityOpt, "security_opt", strings.Join(options, ","))
		s.note("security_opt", "%s becomes the label skep.security-opt, %s", strings.Join(options, ", "), byPolicy)
	}
	s.gpus(set)
	s.hostIPs(labels)
	if _, err := privilege.Parse(labels); err != nil {
		s.refuse("deploy.labels", "%s", err)
	}
}

// devices are written as for docker run.
func (s *service) devices() []string {
	var out []string
	for i, d := range s.Devices {
		if !strings.HasPrefix(d.Source, "/") || strings.Contains(d.Source+d.Target, ",") {
			s.refuse("devices", "%s is no path: a service can ask for devices by their paths alone", d.Source)
			continue
		}
		text := d.Source
		if d.Target != "" && d.Target != d.Source {
			text += ":" + d.Target
		}
		if d.Permissions != "" && d.Permissions != "rwm" {
			text += ":" + d.Permissions
		}
		out = append(out, text)
		s.find(finding.Noted, s.at("devices", strconv.Itoa(i)), "becomes the label skep.devices=%s, %s", text, byPolicy)
	}
	return out
}

// securityOptions are those that are no field of the service.
func (s *service) securityOptions() []string {
	return slices.DeleteFunc(slices.Clone(s.SecurityOpt), isNoNewPrivileges)
}

func isNoNewPrivileges(option string) bool {
	name, _, _ := strings.Cut(strings.ReplaceAll(option, "=", ":"), ":")
	return name == "no-new-privileges"
}

func (s *service) noNewPrivileges() bool {
	return slices.ContainsFunc(s.SecurityOpt, func(option string) bool {
		return isNoNewPrivileges(option) && !strings.HasSuffix(option, "false")
	})
}

// gpus are those of the service's own key and of its reservations.
func (s *service) gpus(set func(name, key, value string)) {
	asked, key := s.Gpus, "gpus"
	if r := s.Deploy.Resources.Reservations; r != nil && len(r.Devices) > 0 {
		asked, key = append(slices.Clone(asked), r.Devices...), "deploy.resources.reservations.devices"
	}
	switch {
	case len(asked) == 0:
		return
	case len(asked) > 1:
		s.refuse(key, "a service can ask for GPUs once: leave one out")
		return
	}
	d := asked[0]
	capable := key == "gpus" && len(d.Capabilities) == 0 || slices.Contains(d.Capabilities, "gpu")
	if !capable || len(d.Capabilities) > 1 || len(d.Options) > 0 || d.Driver != "" && d.Driver != "nvidia" {
		s.refuse(key, "a service can ask for devices with the capability gpu, and with no driver's options")
		return
	}
	value := gpuValue(d)
	set(privilege.GPUs, key, value)
	s.note(key, "becomes the label skep.gpus=%s, %s", value, byPolicy)
}

func gpuValue(d types.DeviceRequest) string {
	switch {
	case len(d.IDs) > 0:
		return "device=" + strings.Join(d.IDs, ",")
	case d.Count > 0:
		return strconv.FormatInt(int64(d.Count), 10)
	}
	return "all"
}

// namespaces says what becomes of those a container is to share.
func (s *service) namespaces() {
	for key, value := range map[string]string{"ipc": s.Ipc, "pid": s.Pid} {
		kind, other, shared := strings.Cut(value, ":")
		switch {
		case shared && (kind == "service" || kind == "container"):
			s.refuse(key, "a task cannot share it with %s, which may be on another node: put both into one container", other)
		case value != "" && value != "private":
			s.warn(key, "each container has one of its own: %s is left out", value)
		}
	}
}

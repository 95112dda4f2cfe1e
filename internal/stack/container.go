package stack

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
)

func (s *service) container() *swarm.ContainerSpec {
	add, drop := capabilities(s.CapAdd, s.CapDrop)
	s.namespaces()
	return &swarm.ContainerSpec{
		Image:           s.Image,
		Command:         s.Entrypoint,
		Args:            s.Command,
		Hostname:        s.Hostname,
		Hosts:           s.hosts(),
		DNSConfig:       s.dns(),
		Healthcheck:     s.healthcheck(),
		Env:             environment(s.Environment),
		Labels:          labelled(s.stack.Name, s.Labels),
		Dir:             s.WorkingDir,
		User:            s.User,
		Groups:          s.GroupAdd,
		Mounts:          s.mounts(),
		StopGracePeriod: duration(s.StopGracePeriod),
		StopSignal:      s.StopSignal,
		TTY:             s.Tty,
		OpenStdin:       s.StdinOpen,
		Secrets:         s.secretReferences(),
		Configs:         s.configReferences(),
		ReadOnly:        s.ReadOnly,
		Privileges:      &swarm.Privileges{NoNewPrivileges: s.noNewPrivileges()},
		Isolation:       container.Isolation(s.Isolation),
		Init:            s.Init,
		Sysctls:         s.Sysctls,
		CapabilityAdd:   add,
		CapabilityDrop:  drop,
		Ulimits:         ulimits(s.Ulimits),
		OomScoreAdj:     s.OomScoreAdj,
	}
}

// environment is NAME=VALUE, sorted; a name alone takes the image's variable away.
func environment(vars types.MappingWithEquals) []string {
	out := make([]string, 0, len(vars))
	for name, value := range vars {
		if value != nil {
			name += "=" + *value
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// hosts are lines as /etc/hosts has them, in the order of the file: another order would replace tasks.
func (s *service) hosts() []string {
	order := s.Hosts[s.name]
	names := slices.SortedFunc(maps.Keys(s.ExtraHosts), func(a, b string) int {
		return cmp.Or(cmp.Compare(place(order, a), place(order, b)), cmp.Compare(a, b))
	})
	var out []string
	for _, name := range names {
		for _, address := range s.ExtraHosts[name] {
			out = append(out, address+" "+name)
		}
	}
	return out
}

// place is where a list has a value: after all others when it has not.
func place(list []string, value string) int {
	if i := slices.Index(list, value); i >= 0 {
		return i
	}
	return len(list)
}

func (s *service) dns() *swarm.DNSConfig {
	if len(s.DNS)+len(s.DNSSearch)+len(s.DNSOpts) == 0 {
		return nil
	}
	out := &swarm.DNSConfig{Search: s.DNSSearch, Options: s.DNSOpts}
	for _, text := range s.DNS {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			s.refuse("dns", "%q is no address", text)
			continue
		}
		out.Nameservers = append(out.Nameservers, addr)
	}
	return out
}

func (s *service) healthcheck() *container.HealthConfig {
	h := s.HealthCheck
	switch {
	case h == nil:
		return nil
	case h.Disable && len(h.Test) > 0 && h.Test[0] != "NONE":
		s.refuse("healthcheck", "it has a test and is disabled: leave one out")
		return nil
	case h.Disable:
		return &container.HealthConfig{Test: []string{"NONE"}}
	}
	out := &container.HealthConfig{Test: h.Test, Timeout: span(h.Timeout), Interval: span(h.Interval),
		StartPeriod: span(h.StartPeriod), StartInterval: span(h.StartInterval)}
	if h.Retries != nil {
		out.Retries = int(*h.Retries) //nolint:gosec // the schema bounds it
	}
	return out
}

func ulimits(all map[string]*types.UlimitsConfig) []*container.Ulimit {
	var out []*container.Ulimit
	for _, name := range slices.Sorted(maps.Keys(all)) {
		u := all[name]
		soft, hard := int64(u.Soft), int64(u.Hard)
		if u.Single != 0 {
			soft, hard = int64(u.Single), int64(u.Single)
		}
		out = append(out, &container.Ulimit{Name: name, Soft: soft, Hard: hard})
	}
	return out
}

// capabilities are written as swarm keeps them: adding one counts more than dropping it, and ALL more than any other.
func capabilities(add, drop []string) (added, dropped []string) {
	a, d := capabilitySet(add), capabilitySet(drop)
	for name := range a {
		delete(d, name)
	}
	return slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(d))
}

func capabilitySet(names []string) map[string]bool {
	const all = "ALL"
	out := map[string]bool{}
	for _, name := range names {
		name = strings.ToUpper(strings.TrimSpace(name))
		if name == all {
			return map[string]bool{all: true}
		}
		if !strings.HasPrefix(name, "CAP_") {
			name = "CAP_" + name
		}
		out[name] = true
	}
	return out
}

func duration(d *types.Duration) *time.Duration {
	if d == nil {
		return nil
	}
	out := time.Duration(*d)
	return &out
}

func span(d *types.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return time.Duration(*d)
}

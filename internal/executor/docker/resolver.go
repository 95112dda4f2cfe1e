package docker

import (
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
)

// resolverPath is the file that says whom to ask for names, on the node and in containers.
const resolverPath = "/etc/resolv.conf"

// resolver is the file that has a task on an overlay ask the node's name server there, also while the engine is away:
// what the engine puts there itself asks the engine. A task that brings the file keeps its own.
func resolver(t *executor.Task) []file {
	for _, n := range t.Networks {
		gateway, err := parseAddr(n.Gateway)
		if !n.Overlay() || n.Ingress() || err != nil {
			continue
		}
		if bringsResolver(t.Spec.ContainerSpec) {
			return nil
		}
		host, err := os.ReadFile(resolverPath)
		if err != nil {
			host = nil // the node has none, and no suffixes or options of its own
		}
		text := resolverFile(gateway, t.Spec.ContainerSpec.DNSConfig, string(host))
		return []file{{name: "resolv.conf", target: resolverPath, data: []byte(text), mode: 0o644}}
	}
	return nil
}

func bringsResolver(spec *swarm.ContainerSpec) bool {
	for _, m := range spec.Mounts {
		if m.Target == resolverPath {
			return true
		}
	}
	for _, c := range spec.Configs {
		if c != nil && c.File != nil && c.File.Name == resolverPath {
			return true
		}
	}
	for _, s := range spec.Secrets {
		if s != nil && s.File != nil && s.File.Name == resolverPath {
			return true
		}
	}
	return false
}

// resolverFile is the file's content. Suffixes and options are the service's, else the node's as with Docker.
func resolverFile(server netip.Addr, dns *swarm.DNSConfig, host string) string {
	var search, options []string
	for line := range strings.Lines(host) {
		switch fields := strings.Fields(line); {
		case len(fields) < 2:
		case fields[0] == "search", fields[0] == "domain":
			search = fields[1:] // the last one counts
		case fields[0] == "options":
			options = append(options, fields[1:]...)
		}
	}
	if dns != nil && len(dns.Search) > 0 {
		search = dns.Search
	}
	if dns != nil && len(dns.Options) > 0 {
		options = dns.Options
	}
	if len(search) == 1 && search[0] == "." { // Docker's way to say none
		search = nil
	}
	options = withResolverOptions(options)
	out := "nameserver " + server.String() + "\n"
	if len(search) > 0 {
		out += "search " + strings.Join(search, " ") + "\n"
	}
	return out + "options " + strings.Join(options, " ") + "\n"
}

// withResolverOptions adds those that count where neither service nor node says otherwise. A question that is lost, as
// while the daemon restarts, is asked again after two seconds: the resolvers of glibc and Go would wait for five. musl's
// gives up after the timeout as a whole, however often it has asked, so less would do it harm.
func withResolverOptions(options []string) []string {
	all := slices.Clone(options)
	for _, o := range []string{"ndots:0", "timeout:2", "attempts:3"} {
		name, _, _ := strings.Cut(o, ":")
		if !slices.ContainsFunc(options, func(is string) bool { return strings.HasPrefix(is, name+":") }) {
			all = append(all, o)
		}
	}
	return all
}

package privilege

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/container"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/model/placement"
)

// Prefix is that of the labels.
const Prefix = "skep."

// Settings are what a service's labels ask for.
type Settings struct {
	Privileged  bool
	Devices     []container.DeviceMapping
	GPUs        []container.DeviceRequest
	SecurityOpt []string
	ShmSize     int64
	HostIPs     map[Port]netip.Addr

	asked map[string]string // the label, or the first of them, by privilege
}

// Port is a published port of a service. No protocol means any.
type Port struct {
	Published uint32
	Protocol  string
}

func (p Port) String() string {
	if p.Protocol == "" {
		return strconv.Itoa(int(p.Published))
	}
	return strconv.Itoa(int(p.Published)) + "/" + p.Protocol
}

// Any reports whether anything is asked for.
func (s *Settings) Any() bool { return s != nil && len(s.asked) > 0 }

// Asks reports whether a privilege is asked for.
func (s *Settings) Asks(name string) bool { return s.asked[name] != "" }

// HostIP is the address that a port is to be published on, if one is asked for.
func (s *Settings) HostIP(published uint32, protocol string) netip.Addr {
	if s == nil {
		return netip.Addr{}
	}
	if a, ok := s.HostIPs[Port{published, protocol}]; ok {
		return a
	}
	return s.HostIPs[Port{Published: published}]
}

// Labels are those of a service's labels that are settings of its tasks: a change of them makes the tasks anew. What a
// service depends on is none, and neither is how they are laid over the nodes: both are asked before a task starts.
func Labels(all map[string]string) map[string]string {
	var out map[string]string
	for k, v := range all {
		if strings.HasPrefix(k, Prefix) && !dependency.Owns(k) && !placement.Owns(k) {
			if out == nil {
				out = map[string]string{}
			}
			out[k] = v
		}
	}
	return out
}

// Parse reads the labels of a service. An error names the label.
func Parse(labels map[string]string) (*Settings, error) {
	s := &Settings{asked: map[string]string{}}
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		what, ours := strings.CutPrefix(label, Prefix)
		if !ours || dependency.Owns(label) || placement.Owns(label) {
			continue
		}
		if err := s.read(label, what, strings.TrimSpace(labels[label])); err != nil {
			return nil, fmt.Errorf("label %s=%s: %w", label, labels[label], err)
		}
	}
	return s, nil
}

func (s *Settings) read(label, what, value string) (err error) {
	if port, ok := strings.CutPrefix(what, "publish."); ok {
		if port, ok = strings.CutSuffix(port, ".host-ip"); ok {
			s.note(HostIP, label)
			return s.hostIP(port, value)
		}
	}
	if value == "" {
		return fmt.Errorf("it has no value")
	}
	asks := true
	switch what {
	case Privileged:
		s.Privileged, err = strconv.ParseBool(value)
		if err != nil {
			err = fmt.Errorf("it is true or false")
		}
		asks = s.Privileged
	case Devices:
		s.Devices, err = devices(value)
	case GPUs:
		s.GPUs, err = gpus(value)
	case SecurityOpt:
		s.SecurityOpt, err = list(value)
	case ShmSize:
		if s.ShmSize, err = units.RAMInBytes(value); err != nil || s.ShmSize <= 0 {
			err = fmt.Errorf("it is a size, as 64m or 1g")
		}
	default:
		return fmt.Errorf("skep knows no such label; those of a service are skep.privileged, skep.devices, skep.gpus, skep.security-opt, skep.shm-size, skep.publish.PORT.host-ip and skep.depends-on.SERVICE")
	}
	if asks {
		s.note(what, label)
	}
	return err
}

func (s *Settings) note(name, label string) {
	if s.asked[name] == "" {
		s.asked[name] = label
	}
}

// list is what stands between commas.
func list(value string) ([]string, error) {
	var out []string
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part == "" {
			return nil, fmt.Errorf("there is nothing between two commas")
		}
		out = append(out, part)
	}
	return out, nil
}

// devices are written as for docker run: PATH[:PATH IN THE CONTAINER[:PERMISSIONS]].
func devices(value string) ([]container.DeviceMapping, error) {
	entries, err := list(value)
	var out []container.DeviceMapping
	for _, entry := range entries {
		parts := strings.Split(entry, ":")
		d := container.DeviceMapping{PathOnHost: parts[0], PathInContainer: parts[0], CgroupPermissions: "rwm"}
		rest := parts[1:]
		if len(rest) > 0 && strings.HasPrefix(rest[0], "/") {
			d.PathInContainer, rest = rest[0], rest[1:]
		}
		if len(rest) > 0 {
			d.CgroupPermissions, rest = rest[0], rest[1:]
		}
		if len(rest) > 0 || !strings.HasPrefix(d.PathOnHost, "/") || d.CgroupPermissions == "" || strings.Trim(d.CgroupPermissions, "rwm") != "" {
			return nil, fmt.Errorf("device %q is not PATH[:PATH IN THE CONTAINER[:PERMISSIONS]], the permissions of r, w and m", entry)
		}
		out = append(out, d)
	}
	return out, err
}

// gpus are "all", a number, or "device=" and ids with commas.
func gpus(value string) ([]container.DeviceRequest, error) {
	r := container.DeviceRequest{Capabilities: [][]string{{"gpu"}}}
	if ids, ok := strings.CutPrefix(value, "device="); ok {
		var err error
		r.DeviceIDs, err = list(ids)
		return []container.DeviceRequest{r}, err
	}
	if value == "all" {
		r.Count = -1
		return []container.DeviceRequest{r}, nil
	}
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("it is all, a number of GPUs, or device=ID,ID")
	}
	r.Count = int(n)
	return []container.DeviceRequest{r}, nil
}

// hostIP reads a port as PORT or PORT/PROTOCOL.
func (s *Settings) hostIP(port, value string) error {
	number, protocol, given := strings.Cut(port, "/")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 || given && protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
		return fmt.Errorf("%q is no published port: write 8080 or 53/udp", port)
	}
	addr, err := netip.ParseAddr(value)
	if err != nil || addr.Zone() != "" {
		return fmt.Errorf("it is an address of the nodes, as 127.0.0.1")
	}
	if s.HostIPs == nil {
		s.HostIPs = map[Port]netip.Addr{}
	}
	s.HostIPs[Port{uint32(n), protocol}] = addr
	return nil
}

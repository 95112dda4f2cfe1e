package migrate

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
)

// mounts are told where something lies on a node that no spec brings along.
func (c *carrier) mounts(s swarm.Service) {
	name := s.Spec.Name
	for _, m := range s.Spec.TaskTemplate.ContainerSpec.Mounts {
		switch {
		case m.Type == mount.TypeVolume && m.Source == "":
			c.found.add(Yours, "service", name, "what is in its volume at %s stays where it is: the volume has no name", m.Target)
		case m.Type == mount.TypeVolume && m.VolumeOptions != nil && m.VolumeOptions.DriverConfig != nil && !slices.Contains([]string{"", "local"}, m.VolumeOptions.DriverConfig.Name):
			c.found.add(Yours, "service", name, "the driver %s keeps its volume %s: the nodes here need that plugin", m.VolumeOptions.DriverConfig.Name, m.Source)
		case m.Type == mount.TypeVolume:
			c.found.add(Yours, "service", name, "what is in its volume %s at %s is not moved: it is %s", m.Source, m.Target, c.where(s.ID))
		case m.Type == mount.TypeBind && strings.HasSuffix(m.Source, "/docker.sock"):
			c.found.add(Other, "service", name, "it mounts the Docker socket: here it gets skep's, and sees this cluster")
		case m.Type == mount.TypeBind:
			c.found.add(Yours, "service", name, "the nodes that run it need %s, which it mounts at %s; its tasks were %s", m.Source, m.Target, c.where(s.ID))
		}
	}
}

// where are the host names of the nodes that tasks of a service were on.
func (c *carrier) where(service string) string {
	var hosts []string
	for _, t := range c.from.Tasks {
		if t.ServiceID == service && c.hosts[t.NodeID] != "" {
			hosts = append(hosts, c.hosts[t.NodeID])
		}
	}
	if len(hosts) == 0 {
		return "on a node that the swarm does not remember"
	}
	slices.Sort(hosts)
	return "on " + strings.Join(slices.Compact(hosts), ", ")
}

// images are told where the nodes will not find them.
func (c *carrier) images() {
	users := map[string][]string{}
	for _, s := range c.want.Services {
		image := s.TaskTemplate.ContainerSpec.Image
		users[image] = append(users[image], s.Name)
	}
	for _, image := range slices.Sorted(maps.Keys(users)) {
		named, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			continue // the cluster says what it thinks of the name
		}
		whose := "service " + users[image][0]
		if len(users[image]) > 1 {
			whose = "services " + strings.Join(users[image], ", ")
		}
		switch {
		case loopback(reference.Domain(named)):
			c.found.add(Yours, "image", image, "it is in a registry that each node looks for on itself: one has to answer there here too, or push it to the cluster's registry (skep image push) and name that (%s)", whose)
		case slices.Contains(c.from.LocalImages, image):
			c.found.add(Yours, "image", image, "it is in no registry, as far as the swarm's engine knows: load it on the nodes here, or push it to the cluster's registry (skep image push) and name that (%s)", whose)
		}
	}
}

func loopback(domain string) bool {
	host, _, _ := strings.Cut(domain, ":")
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

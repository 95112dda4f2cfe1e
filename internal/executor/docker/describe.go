package docker

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/plugin"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
)

// Describe implements [executor.Executor] with what Docker's swarm tells of a node.
func (e *Executor) Describe(ctx context.Context) (swarm.NodeDescription, error) {
	info, err := e.info(ctx)
	if err != nil {
		return swarm.NodeDescription{}, err
	}
	managed, err := e.api.PluginList(ctx, client.PluginListOptions{})
	if err != nil {
		return swarm.NodeDescription{}, failed("listing the engine's plugins", called(err))
	}
	return swarm.NodeDescription{
		Hostname: info.Name,
		Platform: swarm.Platform{Architecture: info.Architecture, OS: info.OSType},
		Resources: swarm.Resources{
			NanoCPUs: int64(info.NCPU) * 1e9, MemoryBytes: info.MemTotal, GenericResources: info.GenericResources,
		},
		Engine: swarm.EngineDescription{
			EngineVersion: info.ServerVersion, Labels: labelsOf(info.Labels), Plugins: plugins(info, managed.Items),
		},
	}, nil
}

// labelsOf reads the engine's labels; of two with one key the last counts.
func labelsOf(list []string) map[string]string {
	labels := make(map[string]string, len(list))
	for _, l := range list {
		if k, v, ok := strings.Cut(l, "="); ok {
			labels[k] = v
		}
	}
	return labels
}

// plugins lists built-in and installed plugins, each once, sorted. Overlay networks are the cluster's own and so
// always there.
func plugins(info system.Info, managed []plugin.Plugin) []swarm.PluginDescription {
	var list []swarm.PluginDescription
	add := func(kind string, names ...string) {
		for _, n := range names {
			list = append(list, swarm.PluginDescription{Type: kind, Name: n})
		}
	}
	add("Volume", info.Plugins.Volume...)
	add("Network", "overlay")
	add("Network", info.Plugins.Network...)
	add("Authorization", info.Plugins.Authorization...)
	add("Log", info.Plugins.Log...)
	for _, p := range managed {
		for _, t := range p.Config.Interface.Types {
			if p.Enabled && t.Prefix == "docker" {
				add(pluginKind(t.Capability), p.Name)
			}
		}
	}
	slices.SortFunc(list, func(a, b swarm.PluginDescription) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(list)
}

func pluginKind(capability string) string {
	switch capability {
	case "volumedriver":
		return "Volume"
	case "networkdriver":
		return "Network"
	case "logdriver":
		return "Log"
	}
	return capability
}

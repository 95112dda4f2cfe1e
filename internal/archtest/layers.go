package archtest

import "strings"

// group is a package, or a package with everything below it, that has one place in the import order.
type group struct {
	path string // below the module
	only bool   // the package alone: those below it need places of their own
}

// layers is the import order, lowest first: a package imports from layers below its own and from its own group, never
// from another group of its layer. That is also what keeps the manager's stages apart: they share a layer.
func layers() [][]group {
	return [][]group{
		{{path: "internal/model"}, {path: "internal/env"}, {path: "internal/durable"}, {path: "internal/engineplugin"}, {path: "packaging"}},
		{{path: "internal/store", only: true}, {path: "internal/wire"}},
		{{path: "internal/control"}, {path: "internal/identity"}, {path: "internal/store/fill"}},
		// What several stages ask: pure helpers.
		{{path: "internal/manager/restart"}, {path: "internal/manager/rollout"}, {path: "internal/manager/constraint"}, {path: "internal/manager/resources"}, {path: "internal/executor", only: true}, {path: "internal/executor/template"}, {path: "internal/network", only: true}},
		// What several stages and the api ask of them together.
		{{path: "internal/manager/await"}},
		// The stages, and the pure halves of the node.
		{
			{path: "internal/manager/orchestrator"}, {path: "internal/manager/allocator"}, {path: "internal/manager/scheduler"},
			{path: "internal/manager/dispatcher"}, {path: "internal/manager/revisions"}, {path: "internal/manager/roles"},
			{path: "internal/manager/rotation"}, {path: "internal/manager/authority"}, {path: "internal/manager/volumes"}, {path: "internal/manager/stagetest"},
			{path: "internal/agent"},
		},
		// What the stages would do.
		{{path: "internal/manager/forecast"}},
		// What touches the world. The log is kept by the contract the replication states.
		{{path: "internal/store/raft"}, {path: "internal/network/wireguard"}},
		{
			{path: "internal/store/wal"}, {path: "internal/store/backup"}, {path: "internal/manager/group"},
			{path: "internal/executor/docker"}, {path: "internal/executor/simulated"}, {path: "internal/executor/socketmount"}, {path: "internal/executor/conformance"},
			{path: "internal/network/kernel"}, {path: "internal/network/dns"}, {path: "internal/network/plugin"}, {path: "internal/network/check"},
			{path: "internal/logs"}, {path: "internal/secretdriver"}, {path: "internal/csi"}, {path: "internal/registry"}, {path: "internal/stack"},
		},
		// What drives one node's data plane; and what of a swarm a cluster is to have, by what two APIs say.
		{{path: "internal/network/dataplane"}, {path: "internal/migrate"}},
		{{path: "internal/api"}},
		{{path: "internal/manager", only: true}},
		{{path: "internal/node/remote"}},
		{{path: "internal/node"}},
		// Machines made nodes: by what a daemon is told and answers, never by what it is made of.
		{{path: "internal/provision", only: true}, {path: "internal/provision/doctor"}, {path: "internal/client"}},
		{{path: "internal/provision/examine"}, {path: "internal/provision/sshdriver"}, {path: "internal/provision/fleet"}},
		// The example's web server and its client import nothing of ours. They have a place below the lab because skep is
		// that server, too, on hosts of a lab where only skep is installed.
		{{path: "examples/whoami/load"}},
		{{path: "examples/whoami/web"}},
		// Of the lab the command has skep lab: the hosts and nothing of the tests around them.
		{{path: "internal/lab"}},
		{{path: "internal/cli"}, {path: "internal/dashboard"}, {path: "internal/sim"}, {path: "internal/archtest"}},
		{{path: "cmd"}, {path: "examples"}},
	}
}

// pureGroups hold decisions: state and time in, changes out.
func pureGroups() []group {
	return []group{
		{path: "internal/model"}, {path: "internal/store", only: true}, {path: "internal/control"}, {path: "internal/network", only: true},
		{path: "internal/manager/restart"}, {path: "internal/manager/rollout"}, {path: "internal/manager/constraint"}, {path: "internal/manager/resources"},
		{path: "internal/manager/await"}, {path: "internal/executor/template"},
		{path: "internal/manager/orchestrator"}, {path: "internal/manager/allocator"}, {path: "internal/manager/scheduler"},
		{path: "internal/manager/dispatcher"}, {path: "internal/manager/revisions"}, {path: "internal/manager/roles"},
		{path: "internal/manager/rotation"}, {path: "internal/manager/volumes"}, {path: "internal/manager/forecast"}, {path: "internal/agent/staging"},
		{path: "internal/provision", only: true}, {path: "internal/provision/doctor"},
		{path: "internal/stack", only: true}, {path: "internal/stack/finding"}, {path: "internal/stack/keys"}, {path: "internal/stack/source"},
		{path: "internal/stack/plan"}, {path: "internal/stack/converge"}, {path: "internal/migrate", only: true},
		{path: "internal/registry/records"},
	}
}

func (g group) holds(path string) bool {
	return path == g.path || !g.only && strings.HasPrefix(path, g.path+"/")
}

// place finds a package's layer and group; more specific groups win over those that hold everything below them.
func place(path string) (layer int, g group, found bool) {
	for i, groups := range layers() {
		for _, candidate := range groups {
			if candidate.holds(path) && (!found || len(candidate.path) > len(g.path)) {
				layer, g, found = i, candidate, true
			}
		}
	}
	return layer, g, found
}

func isPure(path string) bool {
	for _, g := range pureGroups() {
		if g.holds(path) {
			return true
		}
	}
	return false
}

package migrate

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
)

// Swarm is what an API says of a cluster: the one that is left, or the one that is to have the same.
type Swarm struct {
	Cluster  swarm.ClusterInfo
	Nodes    []swarm.Node
	Networks []network.Summary // those of the cluster, and the engines' own that services refer to
	Configs  []swarm.Config
	Secrets  []swarm.Secret
	Services []swarm.Service
	Tasks    []swarm.Task
	// LocalImages are those of services that the engine asked has and no registry, as far as it knows.
	LocalImages []string
}

// Wanted is what a cluster is to have. Objects refer to each other by name.
type Wanted struct {
	Settings Settings
	Nodes    []Node
	Networks []network.CreateRequest
	Configs  []swarm.ConfigSpec
	Secrets  []swarm.SecretSpec // without content, until somebody has given it
	Services []swarm.ServiceSpec
}

// Settings are those of the swarm that are not Docker's defaults. A zero value is the default.
type Settings struct {
	TaskHistoryRetentionLimit *int64            `json:",omitempty"`
	SnapshotInterval          uint64            `json:",omitempty"`
	KeepOldSnapshots          *uint64           `json:",omitempty"`
	HeartbeatPeriod           time.Duration     `json:",omitempty"`
	NodeCertExpiry            time.Duration     `json:",omitempty"`
	LogDriver                 *swarm.Driver     `json:",omitempty"`
	Labels                    map[string]string `json:",omitempty"`
}

// Node is what a node of that host name is to be like.
type Node struct {
	Hostname     string
	Labels       map[string]string      `json:",omitempty"`
	Availability swarm.NodeAvailability `json:",omitempty"` // empty: active
}

// Severity says how much of an object is carried.
type Severity uint8

// The severities.
const (
	Lost   Severity = iota // it is not carried
	Other                  // it is carried, and this is another thing here
	Yours                  // it is carried, and this is for a person to see to
	Exists                 // it is there already, and another one
)

// Finding is what is to be said of one object.
type Finding struct {
	Severity Severity
	Kind     string // "service", "network" …
	Name     string
	Text     string // what follows the name
}

func (f Finding) String() string { return f.Kind + " " + f.Name + ": " + f.Text }

type findings []Finding

func (f *findings) add(s Severity, kind, name, format string, args ...any) {
	*f = append(*f, Finding{s, kind, name, fmt.Sprintf(format, args...)})
}

// copied is a value that shares nothing with the one it is made of. What APIs send survives JSON.
func copied[T any](v T) T {
	var out T
	raw, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		panic(fmt.Sprintf("%T came as JSON and is none any more: %v", v, err))
	}
	return out
}

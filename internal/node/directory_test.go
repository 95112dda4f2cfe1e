package node

import (
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/stretchr/testify/require"
)

// A worker reads of a network what a manager wrote.
func TestNetworkOnTheWire(t *testing.T) {
	full := executor.Network{ID: model.NumID(7), Name: "open", Subnet: "10.0.1.0/24", Gateway: "10.0.1.1", Spec: &swarm.NetworkSpec{
		Annotations: swarm.Annotations{Name: "open"}, Attachable: true, DriverConfiguration: &swarm.Driver{Name: "overlay", Options: map[string]string{"a": "b"}}}}
	for _, n := range []executor.Network{full, {ID: model.NumID(8), Name: "vlan", Spec: &swarm.NetworkSpec{Attachable: true}}} {
		w, err := networkOnWire(n)
		require.NoError(t, err)
		got, err := networkOffWire(w)
		require.NoError(t, err)
		require.Equal(t, n, got)
	}
	_, err := networkOffWire(nil)
	require.Error(t, err)
}

package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/check"
	"github.com/skep-org/skep/internal/store"
	"github.com/stretchr/testify/require"
)

// checkedCluster is one whose node "two" cannot be asked.
type checkedCluster struct{ *fakeCluster }

func (c checkedCluster) CheckNet(_ context.Context, node model.ID) (check.Report, error) {
	if node != c.State().NodeID {
		return check.Report{}, errors.New("its agent is not connected")
	}
	return check.Report{Findings: []network.Finding{{Area: network.AreaKernel, Object: "network web", Wrong: "is gone", Remedy: "Wait."}}, Probed: 1}, nil
}

func (w *world) netCheck(query string) (int, NetCheck) {
	resp, err := http.Get(w.front.URL + "/skep/net/check" + query)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	var got NetCheck
	require.NoError(w.t, json.NewDecoder(resp.Body).Decode(&got))
	return resp.StatusCode, got
}

func TestNetCheck(t *testing.T) {
	w := newWorld(t)
	require.Contains(t, w.request("GET /skep/net/check"), "501 ")
	w.server.Cluster = checkedCluster{w.cluster}
	require.Contains(t, w.request("GET /skep/net/check"), "503 ", "no cluster")
	_, err := w.cluster.Init(t.Context(), swarm.InitRequest{})
	require.NoError(t, err)
	self, two := w.cluster.State().NodeID, model.ID(w.server.Env.NewID())
	w.commit(&store.Batch{Writer: store.WriterJoin, Changes: []store.Change{
		store.NodeSpecs.Put(&model.NodeSpec{ID: two, Spec: model.DocOf(swarm.NodeSpec{Role: "worker", Availability: "active"})}),
	}})
	w.commit(&store.Batch{Writer: store.WriterDispatcher, Changes: []store.Change{
		store.NodeStates.Put(&model.NodeState{ID: two, State: model.ReachReady, Description: model.DocOf(swarm.NodeDescription{Hostname: "two"})}),
	}})

	for _, query := range []string{"", "?node=one", "?node=" + self.String()} {
		status, got := w.netCheck(query)
		require.Equal(t, http.StatusOK, status)
		require.Len(t, got.Nodes, 1)
		require.Equal(t, self.String(), got.Nodes[0].ID)
		require.Equal(t, "network web", got.Nodes[0].Report.Findings[0].Object)
		require.Equal(t, map[string]string{self.String(): "one", two.String(): "two"}, got.Names)
	}
	_, got := w.netCheck("?all=1")
	require.ElementsMatch(t, []string{self.String(), two.String()}, []string{got.Nodes[0].ID, got.Nodes[1].ID})
	_, got = w.netCheck("?node=two")
	require.Equal(t, NodeCheck{ID: two.String(), Err: "its agent is not connected"}, got.Nodes[0])
	require.Contains(t, w.request("GET /skep/net/check?node=three"), "404 ")

	// A worker knows itself.
	w.cluster.manager = nil
	_, got = w.netCheck("")
	require.Len(t, got.Nodes, 1)
	require.Contains(t, w.request("GET /skep/net/check?all=1"), "503 ")
}

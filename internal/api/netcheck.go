package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/find"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network/check"
	"github.com/skep-org/skep/internal/store"
)

// NetChecker is a Cluster that can compare nodes' networks with what they should be.
type NetChecker interface {
	// CheckNet checks one node: this one, or by way of the managers another. An error says why it was not checked.
	CheckNet(ctx context.Context, node model.ID) (check.Report, error)
}

// NetCheck is the answer to a check of networks.
type NetCheck struct {
	Nodes []NodeCheck
	Names map[string]string // host names by node id, as far as this node knows them
}

// NodeCheck is one node's part of it.
type NodeCheck struct {
	ID     string
	Report *check.Report `json:",omitempty"` // nil: the node was not checked
	Err    string        `json:",omitempty"` // why not
}

const (
	// checkLimit is how long one node may take.
	checkLimit = 30 * time.Second
	// checksAtOnce bounds the nodes that are busy with it: each of them sends packets to all others.
	checksAtOnce = 16
)

// netCheck checks this node, the one named by node, or with all=1 every one.
func (s *Server) netCheck(r *request) error {
	checker, can := s.Cluster.(NetChecker)
	if !can {
		return httperr.NotImplemented("checking networks is not supported by this version of skep")
	}
	state := s.Cluster.State()
	if state.Local != swarm.LocalNodeStateActive {
		_, err := r.manager()
		return err
	}
	nodes, names, err := r.nodesToCheck(state.NodeID)
	if err != nil {
		return err
	}
	out := NetCheck{Nodes: make([]NodeCheck, len(nodes)), Names: names}
	room := make(chan struct{}, checksAtOnce)
	var wg sync.WaitGroup
	for i, node := range nodes {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			ctx, cancel := context.WithTimeout(r.Context(), checkLimit)
			defer cancel()
			out.Nodes[i].ID = node.String()
			report, err := checker.CheckNet(ctx, node)
			if err != nil {
				out.Nodes[i].Err = err.Error()
				return
			}
			out.Nodes[i].Report = &report
		})
	}
	wg.Wait()
	return r.json(http.StatusOK, out)
}

// nodesToCheck are the nodes that the request names. This node alone needs no manager.
func (r *request) nodesToCheck(self model.ID) ([]model.ID, map[string]string, error) {
	ref, all := r.URL.Query().Get("node"), r.flag("all")
	if ref == "" && !all && r.server.Cluster.Manager() == nil {
		return []model.ID{self}, map[string]string{}, nil
	}
	v, _, err := r.view()
	if err != nil {
		if ref == "" && !all {
			return []model.ID{self}, map[string]string{}, nil // a cluster without a leader is when a check is wanted
		}
		return nil, nil, err
	}
	names := map[string]string{}
	var nodes []model.ID
	for n := range store.NodeStates.All(v) {
		names[n.ID.String()] = n.Description.Get().Hostname
		if all {
			nodes = append(nodes, n.ID)
		}
	}
	switch {
	case all:
	case ref != "":
		n, err := find.Node(v, ref)
		if err != nil {
			return nil, nil, err
		}
		nodes = []model.ID{n.ID}
	default:
		nodes = []model.ID{self}
	}
	return nodes, names, nil
}

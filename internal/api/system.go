package api

import (
	"encoding/json"
	"net/http"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/store"
)

// ping is answered here, so that clients learn of the cluster; without its engine a daemon is not well.
func (s *Server) ping(r *request) error {
	if _, err := s.Proxy.Engine().Version(r.Context()); err != nil {
		return httperr.New(http.StatusBadGateway, "%s", err)
	}
	h := r.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-store, must-revalidate")
	h.Set("Pragma", "no-cache")
	h.Set("Swarm", s.swarmHeader())
	if r.Method == http.MethodHead {
		h.Set("Content-Length", "0")
		return r.ok()
	}
	r.w.WriteHeader(http.StatusOK)
	_, _ = r.w.Write([]byte("OK"))
	return nil
}

func (s *Server) swarmHeader() string {
	state := s.Cluster.State().Local
	switch {
	case state != swarm.LocalNodeStateActive:
		return string(state)
	case s.Cluster.Manager() != nil:
		return "active/manager"
	}
	return "active/worker"
}

// version is the engine's, with skep as one more component.
func (s *Server) version(r *request) error {
	var v map[string]json.RawMessage
	if err := s.askEngine(r.Context(), r.enginePath("/version"), nil, &v); err != nil {
		return err
	}
	var components []json.RawMessage
	if raw, ok := v["Components"]; ok {
		if err := json.Unmarshal(raw, &components); err != nil {
			return err
		}
	}
	own, err := json.Marshal(map[string]any{"Name": "skep", "Version": s.Version,
		"Details": map[string]string{"ApiVersion": versions.Newest().String(), "MinAPIVersion": versions.Oldest().String()}})
	if err != nil {
		return err
	}
	if v["Components"], err = json.Marshal(append(components, own)); err != nil {
		return err
	}
	var lowest string
	if json.Unmarshal(v["MinAPIVersion"], &lowest) == nil {
		if parsed, ok := versions.Parse(lowest); ok && parsed.Less(versions.Oldest()) {
			v["MinAPIVersion"] = json.RawMessage(`"` + versions.Oldest().String() + `"`)
		}
	}
	return r.json(http.StatusOK, v)
}

// info is the engine's, with the cluster in the place of the engine's own.
func (s *Server) info(r *request) error {
	var v map[string]json.RawMessage
	if err := s.askEngine(r.Context(), r.enginePath("/info"), nil, &v); err != nil {
		return err
	}
	text, err := encode(s.swarmInfo(r))
	if err != nil {
		return err
	}
	v["Swarm"] = text
	if err := s.networkInfo(r, v); err != nil {
		return err
	}
	return r.json(http.StatusOK, v)
}

// swarmInfo does not fail: `docker info` is where people look when something does.
func (s *Server) swarmInfo(r *request) swarm.Info {
	state := s.Cluster.State()
	out := swarm.Info{NodeID: state.NodeID.String(), NodeAddr: state.Addr, LocalNodeState: state.Local, Error: state.Err, RemoteManagers: state.Managers}
	if state.Local != swarm.LocalNodeStateActive || s.Cluster.Manager() == nil {
		return out
	}
	v, _, err := r.view()
	if err != nil {
		out.Error = err.Error()
		return out
	}
	out.ControlAvailable = true
	out.RemoteManagers = render.Managers(v)
	out.Nodes, out.Managers = store.NodeSpecs.Len(v), len(out.RemoteManagers)
	if c := store.TheCluster(v); c != nil {
		info := render.ClusterInfo(v, c)
		out.Cluster = &info
	}
	return out
}

package api

import (
	"log/slog"
	"net/http"

	"github.com/skep-org/skep/internal/api/events"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/proxy"
	"github.com/skep-org/skep/internal/api/routes"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor/socketmount"
	"github.com/skep-org/skep/internal/logs"
)

// Options are what a [Server] is made of.
type Options struct {
	Cluster Cluster
	Proxy   *proxy.Proxy
	Logs    logs.Source // nil: logs are answered 501
	Events  *events.Ring
	Env     env.Env
	Sockets socketmount.Rewriter // for plain containers that mount the Docker socket
	Logger  *slog.Logger
	Version string // skep's own
	// Planners makes those of a leader's term, for forecasts; nil: they are answered 501.
	Planners func(env.Env) []control.Planner
}

// Server answers the API. It implements http.Handler.
type Server struct {
	Options
	mux        *routes.Mux
	handlers   map[string]handler
	foreseeing chan struct{} // bounds the forecasts at once: each may keep a processor busy for seconds
	dry        *foreseen     // not nil: it writes into a forecast, and nothing may reach the engine
}

// handler answers one route; an error it returns is written as Docker writes it. It must not have written
// anything before.
type handler func(*Server, *request) error

// New makes a Server.
func New(o Options) *Server {
	return &Server{Options: o, mux: routes.NewMux(routes.Table()), handlers: handlers(), foreseeing: make(chan struct{}, 1)}
}

// handlers are the routes that are not passed through as they are.
func handlers() map[string]handler {
	return map[string]handler{
		"GET /swarm":                     (*Server).swarmInspect,
		"POST /swarm/init":               (*Server).swarmInit,
		"POST /swarm/join":               (*Server).swarmJoin,
		"POST /swarm/leave":              (*Server).swarmLeave,
		"POST /swarm/update":             (*Server).swarmUpdate,
		"GET /swarm/unlockkey":           (*Server).swarmUnlockKey,
		"POST /swarm/unlock":             (*Server).swarmUnlock,
		"GET /nodes":                     (*Server).nodeList,
		"GET /nodes/{id}":                (*Server).nodeInspect,
		"DELETE /nodes/{id}":             (*Server).nodeRemove,
		"POST /nodes/{id}/update":        (*Server).nodeUpdate,
		"GET /services":                  (*Server).serviceList,
		"POST /services/create":          (*Server).serviceCreate,
		"GET /services/{id}":             (*Server).serviceInspect,
		"DELETE /services/{id}":          (*Server).serviceRemove,
		"POST /services/{id}/update":     (*Server).serviceUpdate,
		"GET /services/{id}/logs":        (*Server).serviceLogs,
		"GET /tasks":                     (*Server).taskList,
		"GET /tasks/{id}":                (*Server).taskInspect,
		"GET /tasks/{id}/logs":           (*Server).taskLogs,
		"GET /secrets":                   (*Server).secretList,
		"POST /secrets/create":           (*Server).secretCreate,
		"GET /secrets/{id}":              (*Server).secretInspect,
		"DELETE /secrets/{id}":           (*Server).secretRemove,
		"POST /secrets/{id}/update":      (*Server).secretUpdate,
		"GET /configs":                   (*Server).configList,
		"POST /configs/create":           (*Server).configCreate,
		"GET /configs/{id}":              (*Server).configInspect,
		"DELETE /configs/{id}":           (*Server).configRemove,
		"POST /configs/{id}/update":      (*Server).configUpdate,
		"GET /skep/backup":               (*Server).backup,
		"POST /skep/restore":             (*Server).restore,
		"GET /skep/net/check":            (*Server).netCheck,
		"POST /skep/forecast":            (*Server).forecast,
		"GET /skep/policy":               (*Server).policyList,
		"POST /skep/policy/allow":        (*Server).policyAllow,
		"POST /skep/policy/remove":       (*Server).policyRemove,
		"GET /skep/policy/networks":      (*Server).networkPolicy,
		"POST /skep/policy/networks":     (*Server).setNetworkPolicy,
		"GET /skep/registry":             (*Server).registryPlace,
		"GET /skep/images":               (*Server).imageList,
		"POST /skep/images/remove":       (*Server).imageRemove,
		"POST /skep/images/collect":      (*Server).imageCollect,
		"POST /images/create":            (*Server).imagePull,
		"POST /images/{name}/push":       (*Server).imagePush,
		"GET /distribution/{name}/json":  (*Server).imageDistribution,
		"POST /build":                    (*Server).imageBuild,
		"GET /_ping":                     (*Server).ping,
		"HEAD /_ping":                    (*Server).ping,
		"GET /version":                   (*Server).version,
		"GET /info":                      (*Server).info,
		"GET /events":                    (*Server).events,
		"GET /networks":                  (*Server).networkList,
		"POST /networks/create":          (*Server).networkCreate,
		"POST /networks/prune":           (*Server).networkPrune,
		"GET /networks/{id}":             (*Server).networkInspect,
		"DELETE /networks/{id}":          (*Server).networkRemove,
		"POST /networks/{id}/connect":    (*Server).networkConnect,
		"POST /networks/{id}/disconnect": (*Server).networkDisconnect,
		"POST /containers/create":        (*Server).containerCreate,
		"GET /volumes":                   (*Server).volumeList,
		"GET /volumes/{name}":            (*Server).volumeInspect,
		"DELETE /volumes/{name}":         (*Server).volumeRemove,
		"POST /volumes/create":           (*Server).volumeCreate,
		"PUT /volumes/{name}":            (*Server).volumeUpdate,
	}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, path := versions.Split(r.URL.Path)
	route, variable, known := s.mux.Match(r.Method, path)
	if !known {
		s.Proxy.ServeHTTP(w, r) // a route of a newer engine, or none: the engine knows
		return
	}
	version, err := s.asked(r, text)
	if err != nil {
		s.headers(w, r, false)
		httperr.Write(w, err, version.PlainErrors())
		return
	}
	handle, ok := s.handlers[route.Key()]
	if !ok {
		s.Proxy.ServeHTTP(w, r)
		return
	}
	s.headers(w, r, true)
	req := &request{Request: r, w: w, server: s, version: version, id: variable, pinned: text != ""}
	// Deferred: what passes the engine's answer on panics when the client has gone.
	defer req.release()
	if err := handle(s, req); err != nil {
		if httperr.Status(err) == http.StatusInternalServerError {
			s.Logger.Debug("a request was refused", "route", route.Key(), "error", err)
		}
		httperr.Write(w, err, version.PlainErrors())
	}
}

// asked is the version a request is answered in; a bare one gets the newest.
func (s *Server) asked(r *http.Request, text string) (versions.Version, error) {
	highest := versions.Newest()
	if text == "" {
		return highest, nil
	}
	version, ok := versions.Parse(text)
	if !ok {
		return highest, httperr.BadRequest("client version %s is not a version of the API", text)
	}
	if version.Less(versions.Oldest()) {
		return version, httperr.BadRequest("client version %s is too old. Minimum supported API version is %s, please upgrade your client to a newer version",
			text, versions.Oldest())
	}
	if engine, err := s.Proxy.Engine().Version(r.Context()); err == nil && highest.Less(engine) {
		highest = engine
	}
	if highest.Less(version) {
		return version, httperr.BadRequest("client version %s is too new. Maximum supported API version is %s", text, highest)
	}
	return version, nil
}

// headers are those the engine puts on each answer; clients negotiate their version by the first.
func (s *Server) headers(w http.ResponseWriter, r *http.Request, experimental bool) {
	h := w.Header()
	h.Set("Api-Version", versions.Newest().String())
	h.Set("Ostype", "linux")
	h.Set("Server", "skep/"+s.Version+" (linux)")
	if experimental {
		h.Set("Docker-Experimental", "false")
	}
	for name, value := range s.Proxy.Engine().Identity(r.Context()) {
		if name != "Docker-Experimental" || experimental {
			h.Set(name, value)
		}
	}
}

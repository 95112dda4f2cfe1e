package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/decode"
	"github.com/skep-org/skep/internal/api/filters"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/store"
)

// commitLimit is how long a caller waits for the cluster; swarm's own limit.
const commitLimit = 20 * time.Second

// request is one request under way.
type request struct {
	*http.Request
	w       http.ResponseWriter
	server  *Server
	version versions.Version
	pinned  bool     // the path named a version
	id      string   // the path's variable
	after   []func() // run when it is answered
}

// release gives back what was held until the answer.
func (r *request) release() {
	for _, f := range r.after {
		f()
	}
}

// json answers with v, less the fields newer than the version asked for.
func (r *request) json(status int, v any) error {
	text, err := encode(v)
	if err != nil {
		return err
	}
	return r.write(status, text)
}

// kind answers as json does with an object of a kind that grew fields over the versions.
func (r *request) kind(kind versions.Kind, v any) error {
	text, err := encode(v)
	if err != nil {
		return err
	}
	return r.write(http.StatusOK, versions.Strip(r.version, kind, text))
}

func (r *request) write(status int, text []byte) error {
	r.w.Header().Set("Content-Type", "application/json")
	r.w.WriteHeader(status)
	_, _ = r.w.Write(text) // the client may be gone
	return nil
}

// encode is v as JSON, with a new line behind it.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	err := encoder(&out).Encode(v)
	return out.Bytes(), err
}

// ok answers without a body.
func (r *request) ok() error {
	r.w.WriteHeader(http.StatusOK)
	return nil
}

// decode reads the body's first JSON value into v and returns it as it was sent.
func (r *request) decode(v any) (json.RawMessage, error) {
	body, err := decode.Body(r.Request)
	if err != nil {
		return nil, err
	}
	raw, err := decode.First(body)
	if err != nil {
		return nil, err
	}
	return raw, decode.JSON(raw, v)
}

// filters reads the filters parameter, which may have the known keys only.
func (r *request) filters(known ...string) (filters.Args, error) {
	args, err := filters.Parse(r.URL.Query().Get("filters"))
	if err != nil {
		return nil, err
	}
	return args, args.Check(known...)
}

// flag reads a boolean parameter as Docker does, in any case: Python's clients say "False".
func (r *request) flag(name string) bool {
	switch strings.ToLower(strings.TrimSpace(r.URL.Query().Get(name))) {
	case "", "0", "no", "false", "none":
		return false
	}
	return true
}

// strictFlag reads one of the parameters that Docker is strict about.
func (r *request) strictFlag(name string) (bool, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return false, nil
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		return false, httperr.BadRequest("invalid value for %s: %s: %s", name, text, err)
	}
	return value, nil
}

// versionOf reads the version parameter of an update.
func (r *request) versionOf(kind string) (uint64, error) {
	text := r.URL.Query().Get("version")
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, httperr.BadRequest("invalid %s version '%s': %s", kind, text, err)
	}
	return n, nil
}

// notManager is what a worker says.
const notManager = "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. " +
	"Please run this command on a manager node or promote the current node to a manager."

// manager is the cluster's state, or why this node cannot tell it.
func (r *request) manager() (Manager, error) {
	if r.server.dry != nil {
		return r.server.dry, nil
	}
	state := r.server.Cluster.State()
	m := r.server.Cluster.Manager()
	switch {
	case state.Local == swarm.LocalNodeStateActive && m != nil:
		return m, nil
	case state.Local == swarm.LocalNodeStateLocked:
		return nil, httperr.Unavailable(Locked)
	case state.Local == swarm.LocalNodeStateError:
		return nil, httperr.Unavailable("this node's part of the cluster has failed: %s", state.Err)
	case state.Local == swarm.LocalNodeStatePending:
		return nil, httperr.Unavailable("this node is on its way into a cluster: try again in a moment")
	case state.Local == swarm.LocalNodeStateActive:
		return nil, httperr.Unavailable(notManager)
	}
	return nil, httperr.Unavailable(`This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`)
}

// view is a fresh view of the cluster's state.
func (r *request) view() (store.View, Manager, error) {
	m, err := r.manager()
	if err != nil {
		return store.View{}, nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), commitLimit)
	defer cancel()
	v, err := m.Fresh(ctx)
	if err != nil {
		return v, nil, unreadable(err)
	}
	return v, m, nil
}

func unreadable(err error) error {
	return httperr.Unavailable("the cluster's state cannot be read, as its managers do not answer: %s", err)
}

// errRaced is for a write that somebody else's came before.
var errRaced = httperr.New(http.StatusInternalServerError, "update out of sequence")

// commit writes a batch and waits until it is applied. kind and name are for the sentence when it is refused.
func (r *request) commit(m Manager, kind, name string, b store.Batch) error {
	b.Writer = store.WriterAPI
	ctx, cancel := context.WithTimeout(r.Context(), commitLimit)
	defer cancel()
	_, err := m.Commit(&b).Wait(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrConflict):
		return errRaced
	case errors.Is(err, store.ErrExists):
		return httperr.Conflict("%s %s already exists", kind, name)
	case errors.Is(err, store.ErrNotFound):
		return httperr.NotFound("%s %s was removed, or something it refers to was, while the request was under way: %s", kind, name, err)
	case errors.Is(err, store.ErrInUse) && kind == "service":
		return errRaced // another service took one of its ports: the next look says which
	case errors.Is(err, store.ErrInUse):
		return httperr.BadRequest("%s %s is in use by a service", kind, name)
	case errors.Is(err, store.ErrTooLarge):
		return httperr.BadRequest("%s %s is too large: %s", kind, name, err)
	case errors.Is(err, context.DeadlineExceeded):
		return httperr.Unavailable("the managers did not confirm the write in %s: it may still happen", commitLimit)
	}
	return httperr.Unavailable("%s %s was not written: %s", kind, name, err)
}

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager/forecast"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// ForecastRequest are writes that are to be foreseen, in the order they would be sent.
type ForecastRequest struct {
	Writes []ForecastWrite
}

// ForecastWrite is one request of the API. The content of a secret or config need not be the real one: nothing is decided
// by it.
type ForecastWrite struct {
	Method string
	Path   string          // with version and query
	Body   json.RawMessage `json:",omitempty"`
	// ID is the id that what is created gets, so that later writes can refer to it.
	ID string `json:",omitempty"`
}

// ForecastAnswer is what would become of them.
type ForecastAnswer struct {
	Refused *ForecastRefused `json:",omitempty"` // the write that would not go through; then nothing after it was looked at
	forecast.Outcome
}

// ForecastRefused is a write that the cluster would refuse.
type ForecastRefused struct {
	Write   int // its place among the writes
	Status  int
	Message string
}

// foreseeable are the routes whose requests can be foreseen: those that write what deployments are made of, and nothing
// outside the store. Of a network only one of the cluster is.
func foreseeable(route string) bool {
	switch route {
	case "POST /services/create", "POST /services/{id}/update", "DELETE /services/{id}", "POST /networks/create",
		"POST /secrets/create", "POST /secrets/{id}/update", "DELETE /secrets/{id}",
		"POST /configs/create", "POST /configs/{id}/update", "DELETE /configs/{id}":
		return true
	}
	return false
}

// forecast answers what would become of writes. They go the way of every request, on a copy of the state.
func (s *Server) forecast(r *request) error {
	if s.Planners == nil {
		return httperr.NotImplemented("forecasts are not supported by this version of skep")
	}
	var asked ForecastRequest
	if _, err := r.decode(&asked); err != nil {
		return err
	}
	select {
	case s.foreseeing <- struct{}{}:
		defer func() { <-s.foreseeing }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	v, _, err := r.view()
	if err != nil {
		return err
	}
	f := forecast.New(v, s.Env.Now(), s.Planners)
	refused, err := s.foresee(r, f, asked.Writes)
	if err != nil {
		return err
	}
	if refused != nil {
		return r.json(http.StatusOK, ForecastAnswer{Refused: refused, Outcome: forecast.Outcome{Services: []forecast.Service{}}})
	}
	for done := false; !done; {
		if err := r.Context().Err(); err != nil {
			return err
		}
		if done, err = f.Step(); err != nil {
			return err
		}
	}
	return r.json(http.StatusOK, ForecastAnswer{Outcome: f.Outcome()})
}

// foresee makes the writes on the copy, and has the stages follow each as they would until the next one comes.
func (s *Server) foresee(r *request, f *forecast.Forecast, writes []ForecastWrite) (*ForecastRefused, error) {
	copied := *s
	copied.dry = &foreseen{f}
	if err := f.Settle(); err != nil {
		return nil, err
	}
	for i, w := range writes {
		said, err := copied.try(r.Context(), w, env.Env{Clock: s.Env.Clock, Rand: s.Env.Rand})
		if err != nil {
			return nil, err
		}
		if said != nil {
			return &ForecastRefused{Write: i, Status: httperr.Status(said), Message: said.Error()}, nil
		}
		if err := f.Settle(); err != nil {
			return nil, err
		}
	}
	return nil, nil //nolint:nilnil // nothing was refused
}

// try makes one write on the copy. What it is told if it is refused is said; an error is of the request for a forecast.
func (s *Server) try(ctx context.Context, w ForecastWrite, e env.Env) (said, err error) {
	target, err := url.ParseRequestURI(w.Path)
	if err != nil {
		return nil, httperr.BadRequest("%q is no path of the API", w.Path)
	}
	text, path := versions.Split(target.Path)
	route, variable, known := s.mux.Match(w.Method, path)
	if !known || !foreseeable(route.Key()) {
		return nil, httperr.BadRequest("what %s %s does cannot be foreseen", w.Method, path)
	}
	if w.ID != "" {
		id, err := model.ParseID(w.ID)
		if err != nil || id.IsZero() {
			return nil, httperr.BadRequest("%q is no id that something could get", w.ID)
		}
		e.Rand = io.MultiReader(bytes.NewReader(id[:]), e.Rand)
	}
	s.Env = e
	in, err := http.NewRequestWithContext(ctx, w.Method, w.Path, bytes.NewReader(w.Body))
	if err != nil {
		return nil, httperr.BadRequest("%s", err)
	}
	version, err := s.asked(in, text)
	if err != nil {
		return nil, err
	}
	req := &request{Request: in, w: nobody{http.Header{}}, server: s, version: version, id: variable, pinned: text != ""}
	defer req.release()
	return s.handlers[route.Key()](s, req), nil
}

// foreseen is a Manager that reads and writes a forecast.
type foreseen struct{ *forecast.Forecast }

// Fresh implements [Manager].
func (c *foreseen) Fresh(context.Context) (store.View, error) { return c.View(), nil }

// nobody is where the answers of requests go that are only tried.
type nobody struct{ header http.Header }

func (n nobody) Header() http.Header       { return n.header }
func (nobody) Write(b []byte) (int, error) { return len(b), nil }
func (nobody) WriteHeader(int)             {}

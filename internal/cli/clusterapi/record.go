package clusterapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/stack/plan"
)

// recorder is a cluster that takes whatever is written, and remembers it: what is foreseen is what is deployed.
type recorder struct {
	env    env.Env
	writes []api.ForecastWrite
}

// record are the writes of a plan, as an API of that version would get them. Contents of secrets and configs are left out:
// they decide nothing.
func record(ctx context.Context, p *plan.Plan, version string) ([]api.ForecastWrite, error) {
	r := &recorder{env: env.Real()}
	c, err := client.New(client.WithHost("tcp://forecast"), client.WithHTTPClient(&http.Client{Transport: r}), client.WithAPIVersion(version))
	if err != nil {
		return nil, fmt.Errorf("the writes cannot be put together: %w", err)
	}
	defer func() { _ = c.Close() }()
	w := Writer{Client: c, Say: func(string, ...any) {}, Warn: func(string) {},
		Auth: func(context.Context, string) (string, error) { return "", nil }}
	if _, err := w.Apply(ctx, p); err != nil {
		return nil, err
	}
	return r.writes, nil
}

// RoundTrip implements [http.RoundTripper].
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	w := api.ForecastWrite{Method: req.Method, Path: req.URL.RequestURI()}
	if req.Body != nil {
		raw, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		if w.Body, err = withoutContent(req.URL.Path, raw); err != nil {
			return nil, err
		}
	}
	status, body := http.StatusOK, "{}"
	if strings.HasSuffix(req.URL.Path, "/create") {
		w.ID = model.ID(r.env.NewID()).String()
		status, body = http.StatusCreated, fmt.Sprintf(`{"Id":%q,"ID":%q}`, w.ID, w.ID)
	}
	r.writes = append(r.writes, w)
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// withoutContent takes out of a write what a secret or config holds. One that is made has to hold something.
func withoutContent(path string, raw []byte) (json.RawMessage, error) {
	if len(raw) == 0 || !strings.Contains(path, "/secrets/") && !strings.Contains(path, "/configs/") {
		return raw, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	if _, has := fields["Data"]; has && strings.HasSuffix(path, "/create") {
		fields["Data"] = json.RawMessage(`"eA=="`)
	} else {
		delete(fields, "Data")
	}
	return json.Marshal(fields)
}

package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/stretchr/testify/require"
)

// gone is a client who has left when the answer comes.
type gone struct{ *httptest.ResponseRecorder }

func (gone) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// TestClientLeavesWithNetworkHeld: a network that was brought for a request is given back, whoever waits for the answer.
func TestClientLeavesWithNetworkHeld(t *testing.T) {
	w := newWorld(t)
	w.cluster.state = State{Local: swarm.LocalNodeStateActive, NodeID: w.server.Env.NewID()}
	w.cluster.asked = map[string]string{"open": "10.0.1.0/24"}
	w.engine["GET /networks"] = `200 []`
	w.engine["POST /containers/create"] = `201 {"Id":"c"}`
	const body = `{"Image":"a:1","HostConfig":{"NetworkMode":"open"}}`
	ctx := context.WithValue(t.Context(), http.ServerContextKey, &http.Server{ReadHeaderTimeout: 1})
	create := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1.41/containers/create", strings.NewReader(body))
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { w.server.ServeHTTP(gone{httptest.NewRecorder()}, create) })
	require.Contains(t, strings.Join(w.passed, "\n"), "holding [open]")
	require.Empty(t, w.cluster.held)
}

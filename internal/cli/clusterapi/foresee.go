package clusterapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/cli/local"
	"github.com/skep-org/skep/internal/manager/forecast"
	"github.com/skep-org/skep/internal/stack/plan"
)

// Foresee has a manager foresee a plan's writes. It fails with the cluster's words where one of them would be refused.
func Foresee(ctx context.Context, c *client.Client, host string, p *plan.Plan) (*forecast.Outcome, error) {
	writes, err := record(ctx, p, c.ClientVersion())
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(api.ForecastRequest{Writes: writes})
	if err != nil {
		return nil, err
	}
	daemon := local.Over(host, c.Dialer())
	answer, err := daemon.Call(ctx, http.MethodPost, "/skep/forecast", bytes.NewReader(body), "forecasts")
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	var out api.ForecastAnswer
	if err := json.NewDecoder(answer).Decode(&out); err != nil {
		return nil, fmt.Errorf("the manager's answer cannot be read: %w", err)
	}
	if r := out.Refused; r != nil {
		return nil, fmt.Errorf("the cluster would refuse %s: %s", writeName(writes, r.Write), r.Message)
	}
	return &out.Outcome, nil
}

// writeName is what a write is about.
func writeName(writes []api.ForecastWrite, i int) string {
	if i < 0 || i >= len(writes) {
		return "a write"
	}
	var named struct{ Name string }
	_ = json.Unmarshal(writes[i].Body, &named) // a removal has no body
	parts := strings.Split(strings.Trim(writes[i].Path, "/"), "/")
	kind := strings.TrimSuffix(parts[min(1, len(parts)-1)], "s")
	if named.Name == "" {
		return "to remove a " + kind
	}
	return kind + " " + named.Name
}

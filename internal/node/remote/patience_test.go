package remote

import (
	"testing"
	"time"

	"github.com/skep-org/skep/internal/env"
)

// A manager that greets too many nodes at once is given longer each time; one that answers, or is not there at all, is not.
func TestPatience(t *testing.T) {
	a := NewAgentDialer(nil, NewDialer(DialerConfig{Env: env.Real()}))
	for _, step := range []struct {
		well, slow bool
		want       time.Duration
	}{
		{false, false, 2 * time.Second}, // it refused
		{false, true, 4 * time.Second},
		{false, true, 8 * time.Second},
		{false, false, 8 * time.Second},
		{false, true, 16 * time.Second},
		{false, true, 16 * time.Second},
		{true, false, 2 * time.Second},
	} {
		a.answered(step.well, step.slow)
		if got := a.patience(); got != step.want {
			t.Errorf("after %+v it waits for %v", step, got)
		}
	}
}

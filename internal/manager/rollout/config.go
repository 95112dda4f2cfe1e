package rollout

import (
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
)

// DefaultMonitor is swarm's time a new task is watched for failure. Docker cannot tell a monitor of 0 from none given.
const DefaultMonitor = 5 * time.Second

// Config is an update or rollback config with its defaults filled in.
type Config struct {
	Parallelism int // 0: all at once
	Delay       time.Duration
	Monitor     time.Duration
	Action      swarm.FailureAction
	MaxRatio    float32
	StartFirst  bool
}

// ConfigOf is how the tasks of a revision are rolled out in the given state.
func ConfigOf(spec *swarm.ServiceSpec, state model.RolloutState) Config {
	u := spec.UpdateConfig
	if state >= model.RolloutRollbackStarted {
		u = spec.RollbackConfig
	}
	c := Config{Parallelism: 1, Monitor: DefaultMonitor, Action: swarm.UpdateFailureActionPause}
	if u == nil {
		return c
	}
	c.Parallelism = int(min(u.Parallelism, 1<<30))
	c.Delay, c.MaxRatio = max(u.Delay, 0), u.MaxFailureRatio
	c.StartFirst = u.Order == swarm.UpdateOrderStartFirst
	if u.Monitor > 0 {
		c.Monitor = u.Monitor
	}
	if u.FailureAction != "" {
		c.Action = u.FailureAction
	}
	return c
}

package scale

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// Options are what a run is asked for.
type Options struct {
	Managers int `json:"managers"`
	Agents   int `json:"agents"`
	Tasks    int `json:"tasks"`
	// Replicas of each service; the last has what is left.
	Replicas int `json:"replicas"`
	// Burst is how many replicas the one service has that is created while all else stands; 0: none is.
	Burst    int           `json:"burst"`
	Steady   time.Duration `json:"steady_ns"`
	Failover bool          `json:"failover"`
	Seed     uint64        `json:"seed"`
	// PerProcess is how many agents share a process at most.
	PerProcess int `json:"agents_per_process"`

	Dir     string   `json:"-"` // where the run's directory is made; empty: the system's for such
	Profile string   `json:"-"` // directory for profiles of the leader; empty: none are made
	Command []string `json:"-"` // arguments with which this program runs a part
	Version string   `json:"-"`
}

// Defaults fills in what was not asked for.
func (o Options) Defaults() Options {
	if o.Managers == 0 {
		o.Managers = 3
	}
	if o.Replicas == 0 {
		o.Replicas = min(1000, max(1, o.Tasks))
	}
	if o.PerProcess == 0 {
		o.PerProcess = 5000
	}
	return o
}

// spare are descriptors of a process that are no agent's: log, sockets to the other managers and of whoever asks.
const spare = 200

// Check refuses what cannot be run on this machine, before anything is begun.
func (o Options) Check() error {
	var errs []error
	for _, v := range []struct {
		flag  string
		value int
		least int
	}{{"managers", o.Managers, 1}, {"agents", o.Agents, 1}, {"tasks", o.Tasks, 1}, {"replicas", o.Replicas, 1}, {"burst", o.Burst, 0}, {"per-process", o.PerProcess, 1}} {
		if v.value < v.least {
			errs = append(errs, fmt.Errorf("--%s %d is not at least %d", v.flag, v.value, v.least))
		}
	}
	if o.Failover && o.Managers < 3 {
		errs = append(errs, fmt.Errorf("of %d managers none can be lost: run three, or --failover=false", o.Managers))
	}
	if runtime.GOOS != "linux" {
		errs = append(errs, errors.New("the figures are read from /proc, which is Linux's"))
	}
	if o.Agents > mostAgents {
		errs = append(errs, fmt.Errorf("--agents %d are more than there are loopback addresses for, %d", o.Agents, mostAgents))
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		errs = append(errs, fmt.Errorf("the limit on open files cannot be read: %w", err))
	} else {
		errs = append(errs, o.checkFiles(limit.Max))
	}
	return errors.Join(errs...)
}

// checkFiles holds the sockets that a process needs against what it may have.
func (o Options) checkFiles(most uint64) error {
	need := uint64(o.Agents + spare)
	if need > most {
		return fmt.Errorf("the leader needs %d open files, one for each agent and %d more, and a process may have %d: "+
			"raise the limit (ulimit -Hn), or run fewer agents", need, spare, most)
	}
	if need = uint64(min(o.Agents, o.PerProcess) + spare); need > most {
		return fmt.Errorf("%d agents in a process need %d open files, and a process may have %d: lower --per-process", o.PerProcess, need, most)
	}
	return nil
}

// mostAgents have an address of their own, 127.1.0.0 and on.
const mostAgents = 200 << 16

// address is the source address of an agent's connections: each node has its own in a real cluster, and managers bound what
// one address may do.
func address(agent int) string {
	return fmt.Sprintf("127.%d.%d.%d", 1+agent>>16, agent>>8&255, agent&255)
}

// groups cuts agents into processes: how many each has.
func (o Options) groups() []int {
	n := (o.Agents + o.PerProcess - 1) / o.PerProcess
	list := make([]int, n)
	for i := range list {
		list[i] = o.Agents*(i+1)/n - o.Agents*i/n
	}
	return list
}

// services are the replicas of each service.
func (o Options) services() []int {
	var list []int
	for left := o.Tasks; left > 0; left -= o.Replicas {
		list = append(list, min(left, o.Replicas))
	}
	return list
}

package executor

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/privilege"
)

// ErrUnavailable wraps errors of an engine that could not be reached: the task's state is unknown, not changed, and
// the call is to be repeated. Every error of Prepare and Start but this and ErrBusy is the task's own: it is rejected.
var ErrUnavailable = errors.New("the container engine cannot be reached")

// ErrBusy wraps errors of Prepare that are nobody's fault: what the task needs is taken by something that is about to
// go. The task waits, saying why, and the call is to be repeated.
var ErrBusy = errors.New("waiting")

// ErrNoContainer is returned by calls on a task that has no container.
var ErrNoContainer = errors.New("the task has no container")

// Executor runs tasks as containers. All methods may be called concurrently, for one task only one after the other.
type Executor interface {
	// Describe says what this node is and has.
	Describe(context.Context) (swarm.NodeDescription, error)
	// List returns every container that belongs to a task of this cluster, running or not.
	List(context.Context) ([]Container, error)
	// Prepare makes all a task needs and creates its container without starting it; it returns the container if
	// there is one already.
	Prepare(context.Context, *Task) (Container, error)
	// Start starts a prepared container; a running one stays as it is.
	Start(context.Context, *Task) (Container, error)
	// Stop ends the container: its stop signal, then after its grace period a kill. It returns when it has ended. A
	// container that has not been started is left created.
	Stop(ctx context.Context, task model.ID) error
	// Remove removes the container, running or not, with its anonymous volumes, and what Prepare made for this task
	// alone. There being none is no error.
	Remove(ctx context.Context, task model.ID) error
	// Watch calls f for each change of a task's container from now on, until ctx ends or the engine is lost; then
	// it returns the reason, and the caller lists again before the next Watch. ready is called once, when no later
	// change can be missed. What a call of Start is about to return may be left to it.
	Watch(ctx context.Context, ready func(), f func(Container)) error
	// Logs opens a container's output.
	Logs(ctx context.Context, task model.ID, opts LogOptions) (Logs, error)
}

// Task is everything a node needs to run one task.
type Task struct {
	ID, ServiceID, NodeID model.ID
	Slot                  uint64 // 0 for a global service, whose containers bear the node's id instead
	ServiceName           string
	NodeHostname          string
	Image                 string // what to pull: the spec's image, or the digest it was pinned to
	Spec                  *swarm.TaskSpec
	ServiceLabels         map[string]string
	Ports                 []swarm.PortConfig // published in host mode
	Networks              []Network
	Generic               []swarm.GenericResource // what of the node's generic resources is the task's
	Secrets               map[string][]byte       // by secret id
	Configs               map[string][]byte       // by config id
	Templates             map[string]string       // the template driver of those secrets and configs that have one, by their ids
	Beyond                *privilege.Settings     // what its service's labels ask for and the cluster's policy allows; nil: nothing
	LogDriver             *swarm.Driver           // the cluster's default
	RegistryAuth          string                  // X-Registry-Auth for the pull; never written to disk
	Volumes               map[string]Volume       // what its mounts of cluster volumes are given, by their targets
}

// Volume is a cluster volume on this node.
type Volume struct {
	Path  string
	Block bool // a device, not a directory
}

// Name is the container's name, swarm's own: web.1.<task id>, or web.<node id>.<task id> for a global service.
func (t *Task) Name() string { return TaskName(t.ServiceName, t.Slot, t.NodeID, t.ID) }

// Network is a network a task is attached to. An empty ID means that Name is a network of the engine's own.
type Network struct {
	ID      model.ID
	Name    string
	Spec    *swarm.NetworkSpec
	Subnet  string // CIDR; empty when the engine may choose
	Gateway string
	Addr    string // the task's address; empty when the engine may choose
	Aliases []string
	Options map[string]string
}

// Overlay reports whether the network is one that spans nodes.
func (n Network) Overlay() bool {
	if n.ID.IsZero() {
		return false
	}
	if n.Spec == nil || n.Spec.DriverConfiguration == nil {
		return true
	}
	name := n.Spec.DriverConfiguration.Name
	return name == "" || name == "overlay"
}

// Ingress reports whether the network is the one that published ports are on.
func (n Network) Ingress() bool { return n.Spec != nil && n.Spec.Ingress }

// Phase is how far a container has come.
type Phase uint8

// The phases of a container.
const (
	Created Phase = iota
	Running
	Exited
	Gone // removed; only in Watch
)

// Health is the state of a container's healthcheck.
type Health uint8

// The health states; NoCheck stands for a container without a healthcheck.
const (
	NoCheck Health = iota
	HealthStarting
	Healthy
	Unhealthy
)

// Container is one task's container as the engine has it.
type Container struct {
	TaskID    model.ID
	ID        string // 64 hexadecimal digits
	Phase     Phase
	Health    Health
	HealthLog string // output of the last failed check
	PID       int
	ExitCode  int
	OOMKilled bool
	Err       string // the engine's own words, if it has any
	Ports     []swarm.PortConfig
}

// LogOptions are Docker's, for one container.
type LogOptions struct {
	Stdout, Stderr, Follow, Timestamps, Details bool
	Since, Until                                time.Time
	Tail                                        string // a number, or "all"
}

// Logs is a container's output: raw when TTY, else in Docker's multiplexed framing.
type Logs struct {
	io.ReadCloser
	TTY bool
}

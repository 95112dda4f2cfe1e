package conformance

import (
	"testing"
	"time"

	"github.com/skep-org/skep/internal/executor"
)

// Harness is one node with its engine, for one case.
type Harness interface {
	// Executor makes a new instance on the node, as a restart of the process would.
	Executor(t *testing.T) executor.Executor
	// Task makes a task whose container behaves as told.
	Task(t *testing.T, b Behaviour) *executor.Task
}

// Behaviour is what a case needs of a container. The zero value runs until it is stopped, and then ends at once.
type Behaviour struct {
	ExitAfter time.Duration // ends by itself; 0 runs on
	ExitCode  int           // when it ends by itself
	StopTakes time.Duration // how long it goes on after the stop signal
	Grace     time.Duration // the spec's; 0 leaves Docker's default of ten seconds
	Check     Check
	NoImage   bool // its image is nowhere: it cannot be prepared
	NoProgram bool // its image lacks the program: it can be prepared, not started
	Port      bool // publishes a port the engine chooses
	Output    []string
	TTY       bool
}

// Check is what a container's healthcheck finds.
type Check uint8

// The healthchecks.
const (
	NoCheck Check = iota
	Well
	Sick
)

// Case is one thing an executor must do.
type Case struct {
	Name string
	Run  func(t *testing.T, h Harness)
}

// Run runs all cases. around calls its argument in whatever the implementation needs around a case, a synctest bubble
// for instance.
func Run(t *testing.T, harness func(t *testing.T) Harness, around func(t *testing.T, f func(t *testing.T))) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			around(t, func(t *testing.T) { c.Run(t, harness(t)) })
		})
	}
}

// Cases lists the suite.
func Cases() []Case {
	return []Case{
		{"a task's whole life", wholeLife},
		{"every call may be repeated", repeated},
		{"calls on a task without a container", noContainer},
		{"stopping what never started", stopCreated},
		{"an exited task is not run again", runsOnce},
		{"a new instance adopts what runs", adoptsRunning},
		{"a new instance goes on where the old one stopped", adoptsCreated},
		{"watch misses nothing", watchMissesNothing},
		{"watch ends with its context", watchEnds},
		{"exit codes", exitCodes},
		{"stop is quick for a willing container", stopWilling},
		{"stop kills after the grace period", stopKills},
		{"a cancelled stop", stopCancelled},
		{"an image that is nowhere", noImage},
		{"a program that is not there", noProgram},
		{"removing a running container", removeRunning},
		{"many tasks at once", manyAtOnce},
		{"health", health},
		{"a published port", publishedPort},
		{"logs", logs},
		{"the node's description", describe},
	}
}

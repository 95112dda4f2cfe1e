package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/provision"
)

// atOnce is how many machines are worked on at the same time.
const atOnce = 16

// Fleet is the machines of one cluster.
type Fleet struct {
	Store    Store
	Drivers  map[string]provision.Driver
	Programs Programs
	// Progress is told what happens, a line at a time.
	Progress io.Writer
	// BackLimit is how long a node may take to be well again after its daemon was restarted; 0: two minutes.
	BackLimit time.Duration
	// LookLimit is how long looking at a host may take; 0: one minute.
	LookLimit time.Duration

	mu sync.Mutex
}

func (f *Fleet) say(machine, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _ = fmt.Fprintf(f.Progress, "%s: %s\n", machine, text)
}

// each runs a function for each number below n, several at once.
func each(n int, do func(i int)) {
	room := make(chan struct{}, atOnce)
	var busy sync.WaitGroup
	for i := range n {
		room <- struct{}{}
		busy.Go(func() {
			defer func() { <-room }()
			do(i)
		})
	}
	busy.Wait()
}

// reach connects to machines. Those that are not reached are told apart, with the reason.
func (f *Fleet) reach(ctx context.Context, all []provision.Machine) (reached []*machine, lost map[string]error) {
	got, errs := make([]*machine, len(all)), make([]error, len(all))
	each(len(all), func(i int) { got[i], errs[i] = f.open(ctx, all[i]) })
	lost = map[string]error{}
	for i, m := range got {
		if errs[i] != nil {
			lost[all[i].Name] = errs[i]
		} else {
			reached = append(reached, m)
		}
	}
	return reached, lost
}

func closeAll(machines []*machine) {
	for _, m := range machines {
		_ = m.close()
	}
}

// failures are errors by machine, a line each.
func failures(all []provision.Machine, failed map[string]error) error {
	var errs []error
	for _, m := range all {
		if err := failed[m.Name]; err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.Name, err))
		}
	}
	return errors.Join(errs...)
}

package guest

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// reaper collects ended processes: the programs, whose ends it tells, and those orphaned by them, which the kernel gives
// to the first process. Nothing else in this process may wait for children while it runs.
type reaper struct {
	mu    sync.Mutex
	ended map[int]chan struct{}
}

// start runs a start function and returns a channel that is closed when the process it made has ended. The lock keeps
// the process from being reaped before it is known.
func (r *reaper) start(start func() (int, error)) (int, <-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, err := start()
	if err != nil {
		return 0, nil, err
	}
	ended := make(chan struct{})
	r.ended[pid] = ended
	return pid, ended, nil
}

// run reaps until the context ends.
func (r *reaper) run(ctx context.Context) {
	child := make(chan os.Signal, 1) // one is enough: each signal reaps all there are
	signal.Notify(child, unix.SIGCHLD)
	defer signal.Stop(child)
	for {
		r.reap()
		select {
		case <-child:
		case <-ctx.Done():
			return
		}
	}
}

func (r *reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if ended, ours := r.ended[pid]; ours {
			close(ended)
			delete(r.ended, pid)
		}
	}
}

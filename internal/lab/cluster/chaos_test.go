package cluster

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skep-org/skep/internal/lab/hosts"
)

var (
	chaosFaults = flag.Int("chaos.faults", 10, "faults of the chaos test")
	chaosSeed   = flag.Uint64("chaos.seed", 0, "seed of the chaos test; 0 chooses one")
)

// chaosSettle bounds how long a cluster may take to be as asked once nothing breaks any more.
const chaosSettle = 90 * time.Second

// chaos breaks hosts at random while users change services through managers at random. In the end every change that was
// acknowledged is there, and the containers are those of the tasks.
func chaos(f *fixture) {
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	f.t.Logf("%d faults; again with: go test ./internal/lab/cluster -run TestCluster/chaos -chaos.seed=%d -chaos.faults=%d", *chaosFaults, seed, *chaosFaults)
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	g, gctx := errgroup.WithContext(ctx)
	var users []*user
	done := make(chan struct{})
	for i := range 3 {
		u := newUser(f, i, seed)
		users = append(users, u)
		g.Go(func() error { return u.run(gctx, done) })
	}
	g.Go(func() error {
		defer close(done)
		return newBreaker(f, seed).run(gctx, *chaosFaults)
	})
	if err := g.Wait(); err != nil {
		f.tellLogs()
		f.t.Fatal(err)
	}
	for _, u := range users {
		f.t.Log(u)
	}
	f.settled(users)
}

// breaker is who breaks hosts.
type breaker struct {
	f    *fixture
	rand *rand.Rand
}

func newBreaker(f *fixture, seed uint64) *breaker {
	return &breaker{f, rand.New(rand.NewPCG(seed, 0))}
}

// run breaks something, waits, and mends it, so many times; now and then something else breaks meanwhile.
func (b *breaker) run(ctx context.Context, faults int) error {
	for n := 0; n < faults; {
		hit := b.rand.Perm(len(b.f.Hosts()))[:1+b.rand.IntN(5)/4] // one, sometimes two
		var mend []func() error
		for _, i := range hit {
			what, undo, err := b.fault(ctx, b.f.Hosts()[i])
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			n++
			b.f.t.Logf("fault %d: %s", n, what)
			mend = append(mend, undo)
			if err := b.wait(ctx, time.Second); err != nil {
				return err
			}
		}
		if err := b.wait(ctx, 2*time.Second); err != nil {
			return err
		}
		for _, undo := range mend {
			if err := undo(); err != nil {
				return err
			}
		}
		if err := b.wait(ctx, 2*time.Second); err != nil {
			return err
		}
	}
	return nil
}

// wait lets up to so much time pass.
func (b *breaker) wait(ctx context.Context, most time.Duration) error {
	select {
	case <-time.After(time.Duration(b.rand.Int64N(int64(most)))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fault does something to a host and returns what takes it back.
func (b *breaker) fault(ctx context.Context, h *hosts.Host) (what string, undo func() error, err error) {
	nothing := func() error { return nil }
	switch b.rand.IntN(6) {
	case 0, 1:
		return h.Name + " loses power", func() error { return h.Start(ctx) }, h.Kill(ctx)
	case 2:
		return h.Name + " stands still", func() error { return h.Resume(ctx) }, h.Pause(ctx)
	case 3:
		return h.Name + " is cut off", func() error { return b.f.Heal(ctx) }, b.f.Partition(ctx, []string{h.Name})
	case 4:
		var rest []string
		for _, o := range b.f.Hosts() {
			if o != h {
				rest = append(rest, o.Name)
			}
		}
		return h.Name + " is heard by nobody", func() error { return b.f.Heal(ctx) }, b.f.PartitionOneWay(ctx, []string{h.Name}, rest)
	default:
		sig := []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}[b.rand.IntN(2)]
		err := h.Signal(ctx, hosts.Daemon, sig)
		if err != nil && strings.Contains(err.Error(), "No such") {
			err = nil // it is between two lives already
		}
		return fmt.Sprintf("the daemon of %s gets signal %d", h.Name, sig), nothing, err
	}
}

// settled waits until the cluster is what the users asked for.
func (f *fixture) settled(users []*user) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), chaosSettle)
	defer cancel()
	began := time.Now()
	var wrong []string
	for ctx.Err() == nil {
		s, err := look(ctx, f)
		if err != nil {
			wrong = []string{err.Error()}
		} else if wrong = s.problems(users); len(wrong) == 0 {
			f.t.Logf("everything was as asked after %v", time.Since(began).Round(time.Millisecond))
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.tellLogs()
	f.t.Fatalf("%v after the last fault:\n%s", chaosSettle, strings.Join(wrong, "\n"))
}

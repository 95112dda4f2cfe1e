package control

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a loop at work inside a synctest bubble.
type running struct {
	s    *store.Store
	toy  *toy
	desk *desk
	stop context.CancelFunc
	err  chan error
}

func run(t *testing.T) *running {
	log, names := &strings.Builder{}, map[model.ID]string{}
	r := &running{s: store.New(), err: make(chan error, 1)}
	r.toy = &toy{names: names, log: log, start: time.Now()}
	r.desk = &desk{s: r.s, now: time.Now, log: log, names: names}
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	loop := NewLoop(r.toy, r.s, r.desk, env.Real())
	go func() { r.err <- loop.Run(ctx) }()
	synctest.Wait()
	return r
}

func (r *running) service(t *testing.T, id, name string) {
	writeService(t, r.s, time.Now(), r.toy.names, id, name)
	synctest.Wait()
}

// ended stops the loop and returns what it ended with.
func (r *running) ended() error {
	r.stop()
	return <-r.err
}

func TestRunPlansWhenSomethingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		r.service(t, "a", "a")
		if len(r.desk.pending()) != 1 {
			t.Fatalf("%d batches are under way", len(r.desk.pending()))
		}
		plans := r.toy.plans
		r.desk.apply(nil)()
		time.Sleep(time.Hour)
		synctest.Wait()
		if r.toy.plans != plans {
			t.Fatalf("planned %d times with nothing to do", r.toy.plans-plans)
		}
		if err := r.ended(); !errors.Is(err, context.Canceled) {
			t.Fatalf("ended with %v", err)
		}
	})
}

func TestRunWakesOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		r.service(t, "a", "later:5s")
		time.Sleep(5*time.Second - 1)
		synctest.Wait()
		if len(r.desk.pending()) != 0 {
			t.Fatal("planned too early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if len(r.desk.pending()) != 1 {
			t.Fatal("did not wake")
		}
		_ = r.ended()
	})
}

// TestRunNoticesOutcomesThatChangeNothing: the state is published before the outcome is told, and a lost lead
// changes no state at all; neither may leave the loop asleep.
func TestRunNoticesOutcomesThatChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		for _, name := range strings.Split("abcdefghij", "") {
			r.service(t, name, name)
		}
		if len(r.desk.pending()) != maxInFlight {
			t.Fatalf("%d batches are under way", len(r.desk.pending()))
		}
		var tell []func()
		for len(r.desk.pending()) > 0 {
			tell = append(tell, r.desk.apply(nil))
		}
		synctest.Wait() // the loop has seen every change, and knows no outcome
		for _, f := range tell {
			f()
		}
		synctest.Wait()
		if len(r.desk.pending()) != 1 || len(r.desk.pending()[0].b.Changes) != 2 {
			t.Fatalf("what was due is not under way: %d", len(r.desk.pending()))
		}
		r.desk.apply(store.ErrUnknownOutcome)()
		if err := <-r.err; !errors.Is(err, store.ErrUnknownOutcome) {
			t.Fatalf("ended with %v", err)
		}
		r.stop()
	})
}

func TestRunRetriesWhatWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		r.service(t, "a", "a")
		for range 5 {
			r.desk.apply(store.ErrConflict)()
			synctest.Wait()
			if len(r.desk.pending()) != 0 {
				t.Fatal("tried again at once")
			}
			time.Sleep(retryRefused)
			synctest.Wait()
			if len(r.desk.pending()) != 1 {
				t.Fatal("not tried again")
			}
		}
		r.desk.apply(nil)()
		synctest.Wait()
		_ = r.ended()
	})
}

func TestRunEndsWithThePlannersError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		r.service(t, "a", "fail")
		if err := <-r.err; err == nil || err.Error() != "toy: the toy broke" {
			t.Fatalf("ended with %v", err)
		}
		r.stop()
	})
}

package crash

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

var (
	seedFlag = flag.Uint64("crash.seed", 0, "seed of what clients do and when the daemon is killed; 0 draws one")
	kills    = flag.Int("crash.kills", 50, "how often the daemon is killed; with -short a fifth")
)

// TestKilledAtRandomMoments kills the daemon while clients change services, and looks at what is left.
func TestKilledAtRandomMoments(t *testing.T) {
	seed, n := *seedFlag, *kills
	if seed == 0 {
		seed = rand.Uint64()
	}
	if testing.Short() {
		n = max(1, n/5)
	}
	t.Logf("seed %d, %d kills; again with -crash.seed=%d", seed, n, seed)
	d := newDaemon(t)
	seen := watch(t, d.engine)
	d.startAndInit()
	if _, err := d.api.NetworkCreate(t.Context(), "shared", client.NetworkCreateOptions{Driver: "overlay"}); err != nil {
		t.Fatal(err)
	}
	want := map[string]wanted{}
	for _, w := range []wanted{{name: "bystander", replicas: 4}, {name: "everywhere", global: true, network: "shared"}} {
		if err := (&user{api: d.api, service: w.name}).create(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		want[w.name] = w
	}
	before := d.settles(want, "shared")
	seen.forget("bystander")
	seen.forget("everywhere")

	users := startUsers(t, d, seed)
	took := d.killRepeatedly(rand.New(rand.NewPCG(seed, 0)), n)
	users.stop()
	maps.Copy(want, users.wanted())
	after := d.settles(want, users.networks("shared")...)

	for _, name := range []string{"bystander", "everywhere"} {
		if b, a := before.ids(name), after.ids(name); !maps.Equal(b, a) {
			t.Errorf("service %s was untouched; its containers before %v, after %v", name, b, a)
		}
	}
	for _, c := range seen.complaints("bystander", "everywhere") {
		t.Error(c)
	}
	creates, starts := seen.counts()
	t.Logf("%d tasks got containers, %d were started; %s", creates, starts, users)
	t.Logf("start to serving: %s", spread(took))
	d.complainOfLog()
}

// killRepeatedly kills and starts again; it returns how long each start took until it served. One kill in five comes
// while the daemon is still starting.
func (d *daemon) killRepeatedly(rng *rand.Rand, n int) []time.Duration {
	var took []time.Duration
	for range n {
		if rng.IntN(5) == 0 {
			time.Sleep(time.Duration(rng.Int64N(int64(300 * time.Millisecond))))
		} else {
			if d.runs > 1 {
				took = append(took, d.serving())
				d.noFailures()
			}
			time.Sleep(time.Duration(rng.Int64N(int64(1500 * time.Millisecond))))
		}
		d.end(syscall.SIGKILL)
		d.start()
	}
	return append(took, d.serving())
}

// noFailures looks for tasks that failed: nothing here gives them a reason to.
func (d *daemon) noFailures() {
	d.t.Helper()
	list, err := d.api.TaskList(d.t.Context(), client.TaskListOptions{})
	if err != nil {
		d.t.Error(err)
	}
	for _, task := range list.Items {
		switch task.Status.State {
		case swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateComplete, swarm.TaskStateOrphaned:
			d.t.Errorf("run %d: task %s is %s: %s %s", d.runs, task.ID, task.Status.State, task.Status.Message, task.Status.Err)
		}
	}
}

// users are several clients at work at once.
type users struct {
	all    []*user
	cancel context.CancelFunc
	done   sync.WaitGroup
	quit   chan struct{}
	ops    map[string]int
	mu     sync.Mutex
}

func startUsers(t *testing.T, d *daemon, seed uint64) *users {
	ctx, cancel := context.WithCancel(context.Background())
	u := &users{cancel: cancel, quit: make(chan struct{}), ops: map[string]int{}}
	t.Cleanup(func() {
		cancel()
		u.done.Wait()
	})
	for i, first := range []swarm.UpdateOrder{swarm.UpdateOrderStopFirst, swarm.UpdateOrderStartFirst, swarm.UpdateOrderStopFirst} {
		one := &user{api: d.api, service: fmt.Sprintf("worker-%d", i)}
		u.all = append(u.all, one)
		rng := rand.New(rand.NewPCG(seed, uint64(i+1)))
		// The first has a network that comes and goes with it, the last is running only when it says so.
		model := wanted{name: one.service, first: first, checked: i == 2}
		if i == 0 {
			model.network = "net"
		}
		u.done.Go(func() {
			for {
				if err := u.step(ctx, one, rng, model); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				select {
				case <-u.quit:
					return
				case <-ctx.Done():
					return
				case <-time.After(time.Duration(rng.Int64N(int64(1200 * time.Millisecond)))):
				}
			}
		})
	}
	return u
}

// step does one thing to a user's service.
func (u *users) step(ctx context.Context, one *user, rng *rand.Rand, next wanted) error {
	if one.acked == nil {
		u.count("create")
		next.version, next.replicas = rng.IntN(1000), 1+uint64(rng.IntN(4))
		if next.network != "" {
			next.network = fmt.Sprintf("net-%d", next.version%2) // another name may get the same subnet
			if err := one.createNetwork(ctx, next.network); err != nil {
				return err
			}
		}
		return one.create(ctx, next)
	}
	next = *one.acked
	switch dice := rng.IntN(100); {
	case dice < 45:
		u.count("scale")
		next.replicas = uint64(rng.IntN(6))
	case dice < 85:
		u.count("update")
		next.version++
	default:
		u.count("remove")
		if err := one.remove(ctx); err != nil || next.network == "" {
			return err
		}
		return one.removeNetwork(ctx)
	}
	return one.change(ctx, next)
}

func (u *users) count(op string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ops[op]++
}

// stop lets every user finish what it has begun.
func (u *users) stop() {
	close(u.quit)
	u.done.Wait()
}

func (u *users) wanted() map[string]wanted {
	out := map[string]wanted{}
	for _, one := range u.all {
		if one.acked != nil {
			out[one.service] = *one.acked
		}
	}
	return out
}

// networks are those the users have, and some others.
func (u *users) networks(others ...string) []string {
	for _, one := range u.all {
		if one.network != "" {
			others = append(others, one.network)
		}
	}
	return others
}

func (u *users) String() string {
	retries := 0
	for _, one := range u.all {
		retries += one.retries
	}
	return fmt.Sprintf("acknowledged %v, %d calls repeated", u.ops, retries)
}

func spread(all []time.Duration) string {
	slices.Sort(all)
	return fmt.Sprintf("least %v, median %v, most %v", all[0], all[len(all)/2], all[len(all)-1])
}

// complainOfLog fails the test for what no daemon may say, and shows its warnings.
func (d *daemon) complainOfLog() {
	warnings := map[string]int{}
	for line := range strings.Lines(string(d.log())) {
		for _, bad := range []string{"panic", "DATA RACE", "fatal error", "level=ERROR"} {
			if strings.Contains(line, bad) {
				d.t.Errorf("skep says: %s", line)
			}
		}
		if _, said, ok := strings.Cut(line, "level=WARN "); ok {
			warnings[strings.TrimSpace(said)]++
		}
	}
	for said, n := range warnings {
		d.t.Logf("%d times: %s", n, said)
	}
}

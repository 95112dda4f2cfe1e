package network

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/network"
)

var (
	faultCount = flag.Int("faults", 0, "random faults; 0: each kind once")
	faultSeed  = flag.Uint64("seed", 0, "seed of the faults; 0 chooses one")
)

// promisedRepair is how long after a fault has ended everything may still be other than desired. A host that comes back from
// a power loss starts its engine and its containers in it.
const promisedRepair = 10 * time.Second

// faults breaks programs, hosts and kernel state while a global service comes and goes. Each time all is as desired ten
// seconds later, no name leads to a task that has ended, and no address is given twice; in the end none is lost.
func faults(f *fixture) {
	seed := *faultSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	if *faultCount == 0 {
		*faultCount = kinds()
	}
	f.t.Logf("%d faults; again with: go test ./internal/lab/network -run 'TestNetwork/faults' -seed=%d -faults=%d", *faultCount, seed, *faultCount)
	// Five tasks, five that end, a virtual address, a gateway and a watcher: in a network of 14 addresses an address that
	// is not given back is missed soon.
	f.overlay("narrow", "--subnet", "10.45.0.0/28")
	f.create("flap", "--mode", "global", "--network", "narrow", "--publish", "8085:8080", "--", "-end-after", "6s")
	f.service("watch", "--constraint", "node.hostname==m1", "--network", "narrow")
	w := newWatcher(f)
	f.checked("before any fault", settleLimit)
	b := &breaker{f: f, rand: rand.New(rand.NewPCG(seed, 0))}
	for n := range *faultCount {
		host := f.Hosts()[b.rand.IntN(len(f.Hosts()))]
		what, mend, err := b.fault(f.t.Context(), host)
		f.must(err)
		time.Sleep(time.Duration(b.rand.IntN(1500)) * time.Millisecond)
		f.must(mend())
		f.t.Logf("fault %d: %s", n+1, what)
		took := f.checked(fmt.Sprintf("fault %d, %s", n+1, what), within(promisedRepair))
		f.t.Logf("clean %.1f s later", took.Seconds())
		w.look()
	}
}

// checked waits until `skep net check` of the whole cluster finds nothing.
func (f *fixture) checked(after string, limit time.Duration) time.Duration {
	f.t.Helper()
	began := time.Now()
	said := ""
	for time.Since(began) < limit+time.Second {
		asked := time.Since(began)
		ctx, cancel := context.WithTimeout(f.t.Context(), settleLimit)
		out, err := f.Host("m1").Exec(ctx, f.skep, "net", "check", "--all")
		cancel()
		if err == nil {
			return asked
		}
		said = out
	}
	f.t.Errorf("%s: after %v `skep net check` finds:\n%s", after, limit, said)
	return limit
}

// breaker breaks hosts: in every way once, in some order, before any for the second time.
type breaker struct {
	f    *fixture
	rand *rand.Rand
	deck []int
}

// kinds is how many kinds of faults there are. The last two are of what encrypts.
func kinds() int {
	if *sealed {
		return 11
	}
	return 9
}

func (b *breaker) draw() int {
	if len(b.deck) == 0 {
		b.deck = b.rand.Perm(kinds())
	}
	kind := b.deck[0]
	b.deck = b.deck[1:]
	return kind
}

// fault does something to a host and returns what takes it back.
func (b *breaker) fault(ctx context.Context, h *hosts.Host) (what string, mend func() error, err error) {
	nothing := func() error { return nil }
	shell := func(line string) error {
		_, err := h.Exec(ctx, "sh", "-c", line)
		return err
	}
	switch b.draw() {
	case 0:
		return h.Name + " loses power", func() error { return h.Start(ctx) }, h.Kill(ctx)
	case 1:
		return h.Name + " is cut off", func() error { return b.f.Heal(ctx) }, b.f.Partition(ctx, []string{h.Name})
	case 2:
		return "the daemon of " + h.Name + " is killed", nothing, b.signal(ctx, h, hosts.Daemon, syscall.SIGKILL)
	case 3:
		return "the engine of " + h.Name + " is restarted", b.again(ctx, h), b.signal(ctx, h, hosts.Engine, syscall.SIGTERM)
	case 4:
		return "the engine of " + h.Name + " is killed", b.again(ctx, h), b.signal(ctx, h, hosts.Engine, syscall.SIGKILL)
	case 5:
		return h.Name + " forgets its nftables rules", b.enginesRules(ctx, h), shell("nft flush ruleset")
	case 6:
		return h.Name + " forgets where other nodes' containers are", nothing, shell(everyNamespace("for d in $(ls /sys/class/net); do bridge fdb flush dev $d 2>/dev/null; done; ip neigh flush all nud permanent"))
	case 7:
		return h.Name + " forgets its routes and addresses on the ingress network", nothing, shell("ip route flush dev " + network.IngressLink + "; while ip rule del pref 5000 2>/dev/null; do :; done; ip addr flush dev " + network.IngressLink)
	case 8:
		return "containers of " + h.Name + " forget their virtual addresses", nothing,
			shell("n=0; for id in $(docker -H " + engineSocket + " ps -q); do nsenter --net=/proc/$(docker -H " + engineSocket + " inspect -f '{{.State.Pid}}' $id)/ns/net nft flush ruleset && n=1; done; [ $n = 1 ] || [ -z \"$id\" ]")
	case 9:
		return "what encrypts on " + h.Name + " is killed", nothing, shell("pkill -9 -f 'skep wireguard' || true")
	default:
		return "the encryption of " + h.Name + " forgets routes, rules and addresses", nothing,
			shell("nsenter --net=/run/skep/netns/encryption sh -c 'ip route flush table main; nft flush ruleset; ip addr flush dev lo'")
	}
}

// everyNamespace runs a shell's line in every named network namespace of a host and in its own.
func everyNamespace(line string) string {
	return "all() { " + line + "; }; all; for n in /run/netns/* /run/skep/netns/*; do [ -e $n ] && nsenter --net=$n sh -c '" + line + "'; done; true"
}

func (b *breaker) signal(ctx context.Context, h *hosts.Host, program string, sig syscall.Signal) error {
	err := h.Signal(ctx, program, sig)
	if err != nil && strings.Contains(err.Error(), "No such") {
		return nil // it is between two lives already
	}
	return err
}

// enginesRules waits until a host that lost all its rules lacks the engine's own and nothing else, and does then what
// `skep net check` says against that.
func (b *breaker) enginesRules(ctx context.Context, h *hosts.Host) func() error {
	return func() error {
		b.f.eventually(within(promisedRepair), func() string {
			out, err := h.Exec(ctx, b.f.skep, "net", "check")
			if err != nil && strings.Contains(out, "the engine's firewall") && strings.Contains(out, "1 finding") {
				return ""
			}
			return "without its rules " + h.Name + " finds " + out
		})
		if err := b.signal(ctx, h, hosts.Engine, syscall.SIGTERM); err != nil {
			return err
		}
		return b.again(ctx, h)()
	}
}

// again waits until an engine that ended answers once more.
func (b *breaker) again(ctx context.Context, h *hosts.Host) func() error {
	return func() error {
		for end := time.Now().Add(settleLimit); ; time.Sleep(100 * time.Millisecond) {
			_, err := h.Exec(ctx, "docker", "-H", engineSocket, "ps", "-q")
			if err == nil || time.Now().After(end) {
				return err
			}
		}
	}
}

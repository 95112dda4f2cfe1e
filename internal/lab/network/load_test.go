package network

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/skep-org/skep/examples/whoami/load"
	"github.com/skep-org/skep/internal/lab/hosts"
)

// place is where something is asked from: a host, the client, or a container on a host.
type place struct{ host, container string }

func at(host string) place { return place{host: host} }

// outside is the machine that is no host.
func outside() place { return at(hosts.ClientName) }

func (p place) String() string {
	if p.container == "" {
		return p.host
	}
	return fmt.Sprintf("container %.12s on %s", p.container, p.host)
}

// whoamiIn is the whoami program with arguments at a place.
func (f *fixture) whoamiIn(ctx context.Context, p place, args ...string) (*exec.Cmd, error) {
	command := []string{f.whoami}
	if p.container != "" {
		command = []string{"docker", "-H", engineSocket, "exec", "-i", p.container, "/whoami"}
	}
	return f.Host(p.host).Command(ctx, append(command, args...)...)
}

// ask sends some requests to each target, over new connections and kept ones, and tells what came of them.
func (f *fixture) ask(from place, count int, targets ...string) *load.Report {
	f.t.Helper()
	r, err := f.tryAsk(from, count, 3*time.Second, targets...)
	f.must(err)
	return r
}

func (f *fixture) tryAsk(from place, count int, timeout time.Duration, targets ...string) (*load.Report, error) {
	ctx, cancel := context.WithTimeout(f.t.Context(), settleLimit)
	defer cancel()
	args := []string{"load", "-count", fmt.Sprint(count), "-workers", fmt.Sprint(min(len(targets), 16)), "-timeout", timeout.String()}
	cmd, err := f.whoamiIn(ctx, from, append(args, targets...)...)
	if err != nil {
		return nil, err
	}
	out, errs, err := output(cmd)
	if err != nil {
		return nil, fmt.Errorf("asking from %v: %w: %s", from, err, errs)
	}
	r := &load.Report{}
	if err := json.Unmarshal([]byte(out), r); err != nil {
		return nil, fmt.Errorf("asking from %v: %w: %s", from, err, out)
	}
	return r, nil
}

// answers asks and wants every request answered, by those named and nobody else: in all by each of them.
func (f *fixture) answers(from place, count int, by []string, targets ...string) *load.Report {
	f.t.Helper()
	r := f.ask(from, count, targets...)
	if r.Failures > 0 {
		f.t.Errorf("from %v: %v", from, r)
	}
	seen := map[string]bool{}
	for _, t := range r.Targets {
		for who := range t.Who {
			seen[who] = true
			if !slices.Contains(by, who) {
				f.t.Errorf("from %v, %s: answered by %v, wanted %v", from, t.URL, t.Who, by)
			}
		}
	}
	if len(seen) < len(by) && r.Failures == 0 {
		f.t.Errorf("from %v: of %v only %v answered", from, by, seen)
	}
	return r
}

// unreachable asks and wants no answer.
func (f *fixture) unreachable(from place, targets ...string) {
	f.t.Helper()
	r, err := f.tryAsk(from, 1, 700*time.Millisecond, targets...)
	f.must(err)
	for _, t := range r.Targets {
		if t.Failures != t.Requests {
			f.t.Errorf("from %v, %s must not be reached and is answered by %v", from, t.URL, t.Who)
		}
	}
}

// lookup looks names up in a container.
func (f *fixture) lookup(from place, lookups ...string) map[string]load.Names {
	f.t.Helper()
	found, err := f.tryLookup(from, lookups...)
	f.must(err)
	return found
}

func (f *fixture) tryLookup(from place, lookups ...string) (map[string]load.Names, error) {
	ctx, cancel := context.WithTimeout(f.t.Context(), settleLimit)
	defer cancel()
	cmd, err := f.whoamiIn(ctx, from, append([]string{"names"}, lookups...)...)
	if err != nil {
		return nil, err
	}
	out, errs, err := output(cmd)
	if err != nil {
		return nil, fmt.Errorf("looking up in %v: %w: %s", from, err, errs)
	}
	return decodeNames(out)
}

// unknown says whether a name leads nowhere. What the cluster does not know is asked of the world outside, which a lab
// does not reach.
func unknown(n load.Names) bool { return len(n.Addrs) == 0 && n.Error != "" }

func decodeNames(out string) (map[string]load.Names, error) {
	found := map[string]load.Names{}
	for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); {
		var n load.Names
		if err := dec.Decode(&n); err != nil {
			return nil, fmt.Errorf("reading %q: %w", out, err)
		}
		found[n.Name] = n
	}
	return found, nil
}

// asker is a whoami program that asks until it is told to end.
type asker struct {
	f        *fixture
	from     place
	cmd      *exec.Cmd
	in       io.Closer
	out, err bytes.Buffer
	cancel   context.CancelFunc
}

// start starts a client; it ends with the test at the latest.
func (f *fixture) start(from place, args ...string) *asker {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	c := &asker{f: f, from: from, cancel: cancel}
	var err error
	c.cmd, err = f.whoamiIn(ctx, from, append([]string{args[0], "-stdin"}, args[1:]...)...)
	f.must(err)
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.err
	c.in, err = c.cmd.StdinPipe()
	f.must(err)
	f.must(c.cmd.Start())
	return c
}

// atRate asks every target in turn, 200 times a second in all, over new and kept connections.
func (f *fixture) atRate(from place, targets ...string) *asker {
	f.t.Helper()
	return f.start(from, append([]string{"load", "-rate", "200", "-timeout", "5s"}, targets...)...)
}

// end ends the client and returns what it said.
func (c *asker) end() string {
	c.f.t.Helper()
	defer c.cancel()
	_ = c.in.Close()
	if err := c.cmd.Wait(); err != nil {
		c.f.t.Fatalf("the client at %v: %v: %s", c.from, err, c.err.String())
	}
	return c.out.String()
}

// report ends the client and returns its report.
func (c *asker) report() *load.Report {
	c.f.t.Helper()
	said := c.end()
	r := &load.Report{}
	if err := json.Unmarshal([]byte(said), r); err != nil {
		c.f.t.Fatalf("the client at %v says %q: %v", c.from, said, err)
	}
	return r
}

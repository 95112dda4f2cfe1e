package load

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
	"time"
)

// Names is what a name led to, from a time on. Of one that leads nowhere the error says why.
type Names struct {
	At    time.Time // when the answer came
	Until time.Time `json:",omitzero"` // when the last question was sent that got the answer before
	Name  string
	Addrs []string `json:",omitempty"`
	Error string   `json:",omitempty"`
}

// Lookup is `whoami names` with its arguments: it looks names and addresses up, once or at intervals, and writes a line
// of JSON for each answer that is not the one before, however its addresses are ordered.
func Lookup(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("whoami names", flag.ContinueOnError)
	every := flags.Duration("every", 0, "look up again at this interval until told to end; 0: once")
	timeout := flags.Duration("timeout", 5*time.Second, "of one look-up")
	stdin := flags.Bool("stdin", false, "end, too, when standard input does")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if *stdin {
		go func() {
			_, _ = io.Copy(io.Discard, in)
			stop()
		}()
	}
	last, asked := map[string]Names{}, map[string]time.Time{}
	for {
		for _, name := range flags.Args() {
			sent := time.Now()
			n := lookup(ctx, name, *timeout)
			if ctx.Err() != nil {
				return nil
			}
			before, ok := last[name]
			n.Until = asked[name]
			last[name], asked[name] = n, sent
			if ok && before.Error == n.Error && slices.Equal(before.Addrs, n.Addrs) {
				continue
			}
			if err := json.NewEncoder(out).Encode(n); err != nil {
				return fmt.Errorf("telling of %s: %w", name, err)
			}
		}
		if *every == 0 {
			return nil
		}
		select {
		case <-time.After(*every):
		case <-ctx.Done():
			return nil
		}
	}
}

// lookup asks for the addresses of a name, or for the names of an address.
func lookup(ctx context.Context, name string, timeout time.Duration) Names {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	n := Names{Name: name}
	var err error
	if net.ParseIP(name) != nil {
		n.Addrs, err = net.DefaultResolver.LookupAddr(ctx, name)
	} else {
		var ips []net.IP
		ips, err = net.DefaultResolver.LookupIP(ctx, "ip4", name)
		for _, ip := range ips {
			n.Addrs = append(n.Addrs, ip.String())
		}
	}
	n.At = time.Now()
	slices.Sort(n.Addrs)
	var dns *net.DNSError
	switch {
	case err == nil:
	case errors.As(err, &dns) && dns.IsNotFound:
		n.Error = "no such name"
	default:
		n.Error = err.Error()
	}
	return n
}

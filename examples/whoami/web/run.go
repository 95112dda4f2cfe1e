package web

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/skep-org/skep/examples/whoami/load"
)

// Run is the program with its arguments, until the context ends.
func Run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "load":
			return load.Run(ctx, args[1:], os.Stdin, os.Stdout)
		case "names":
			return load.Lookup(ctx, args[1:], os.Stdin, os.Stdout)
		}
	}
	flags := flag.NewFlagSet("whoami", flag.ContinueOnError)
	port := flags.Int("port", 8080, "the port to listen on")
	delay := flags.Duration("start-delay", 0, "wait this long before listening")
	end := flags.Duration("end-after", 0, "end, as if told to, after about this long; 0: do not")
	next := flags.String("next", "", "the server that this one has its work done by: its answer to this URL is part of this one's")
	healthcheck := flags.Bool("healthcheck", false, "ask the server on -port whether it is healthy, and exit 0 or 1: for HEALTHCHECK")
	hold := flags.Duration("hold", 0, "with -healthcheck: once the server was found well, further checks take so long, as many checks cost much")
	loop := flags.String("url-loop", "", "be a client instead: ask this URL each second and log the first line of the answer")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	switch {
	case *healthcheck:
		return checkHealth(ctx, fmt.Sprintf("http://127.0.0.1:%d/health?hold=%s", *port, *hold), *hold)
	case *loop != "":
		return askForever(ctx, *loop, time.Second, os.Stdout)
	}
	select {
	case <-time.After(*delay):
	case <-ctx.Done():
		return nil
	}
	if *end > 0 {
		// Not all at the same moment: servers that were started together do not end together.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *end/2+rand.N(*end))
		defer cancel()
	}
	s := newServer(os.Stdout)
	s.next = *next
	return s.serve(ctx, *port)
}

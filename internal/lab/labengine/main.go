package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/skep-org/skep/internal/lab/engine"
)

// startLimit bounds the start on a machine that is busy building.
const startLimit = 60 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "labengine:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("say start DIR or stop DIR")
	}
	flags := flag.NewFlagSet("labengine "+args[0], flag.ContinueOnError)
	private := flags.Bool("private", false, "give the engine a network of its own in place of the machine's")
	resolver := flags.String("resolver", "auto", "host: the machine's DNS; refuse: none, refusing at once; auto: the machine's if it answers")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("name one directory for the engine")
	}
	switch args[0] {
	case "start":
		return start(flags.Arg(0), *private, *resolver)
	case "stop":
		return stop(flags.Arg(0))
	default:
		return fmt.Errorf("%q is neither start nor stop", args[0])
	}
}

func start(dir string, private bool, resolver string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	cfg := engine.Config{Dir: dir, Network: engine.HostNetwork, Detached: true}
	if private {
		cfg.Network = engine.PrivateNetwork
	}
	if resolver == "host" || resolver == "auto" && dnsAnswers(ctx) {
		cfg.Resolver = engine.HostResolver
	}
	e, err := engine.Start(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Println(e.Host())
	return nil
}

// dnsAnswers tells whether a registry's name can be looked up. A resolver that only keeps silent would make the engine
// wait ten seconds for every image it is to run.
func dnsAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := net.DefaultResolver.LookupHost(ctx, "registry-1.docker.io")
	return err == nil
}

func stop(dir string) error {
	e, err := engine.Open(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		if err := e.Stop(); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing the engine's directory: %w", err)
	}
	return nil
}

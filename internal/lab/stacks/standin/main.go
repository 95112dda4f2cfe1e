package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		var code exitError
		if errors.As(err, &code) {
			os.Exit(int(code)) //nolint:gocritic // the deferred stop only restores signal handling, which ends here anyway
		}
		os.Exit(1)
	}
}

// words are what the program can be told to be or to tell.
func words() map[string]func(ctx context.Context, args []string) error {
	return map[string]func(context.Context, []string) error{
		"serve": serve, "proxy": proxy, "worker": worker, "cron": cron, "ship": ship, "ship1": shipOnce, "collect": collect,
		"wait": wait, "print": printLines, "exit": exit,
		"lookup": lookup, "get": get, "each": each, "cat": cat, "env": env, "docker": docker, "write": write, "hosts": hosts, "mtu": mtu,
	}
}

func run(ctx context.Context, args []string) error {
	// A health check of the form CMD-SHELL comes as "/bin/sh -c LINE".
	if len(args) == 2 && args[0] == "-c" {
		args = strings.Fields(args[1])
	}
	if len(args) == 0 {
		args = []string{"serve", "80"}
	}
	known := words()
	word, ok := known[args[0]]
	if !ok {
		return fmt.Errorf("%q is none of %s", args[0], strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	}
	return word(ctx, args[1:])
}

// exitError is an error that ends the program with that code.
type exitError int

func (c exitError) Error() string { return fmt.Sprintf("exiting with code %d", int(c)) }

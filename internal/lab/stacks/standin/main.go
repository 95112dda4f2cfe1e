package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := called(ctx, os.Args); err != nil && ctx.Err() == nil {
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

// called is what the program is by the name it is called by: itself, which tests call by two names, a shell, or a program of an
// image it stands in for.
func called(ctx context.Context, args []string) error {
	switch name := filepath.Base(args[0]); name {
	case "standin", "testimage", "sh":
		return run(ctx, args[1:])
	default:
		return program(ctx, name, args[1:])
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
	if path, err := exec.LookPath(args[0]); err == nil {
		return program(ctx, filepath.Base(path), args[1:])
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

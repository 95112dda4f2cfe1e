package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/skep-org/skep/internal/csi/csitest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	place := flag.String("place", "", "directory of the volumes, which all hosts share")
	node := flag.String("node", "", "what the driver calls this host; empty: its host name")
	socket := flag.String("socket", "", "where the driver listens")
	detached := flag.Bool("detached", false, "the controller is not told of nodes")
	unstaged := flag.Bool("unstaged", false, "nothing is staged")
	zone := flag.String("zone", "", "zone that the host is in")
	secret := flag.String("secret", "", "password that calls have to bring")
	ledger := flag.String("ledger", "", "be the service instead, and count on in this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if *ledger != "" {
		return csitest.Ledger(ctx, *ledger, 50*time.Millisecond)
	}
	if *node == "" {
		*node, _ = os.Hostname()
	}
	d, err := csitest.New(csitest.Options{
		Place: csitest.Place(*place), Node: *node, Detached: *detached, Unstaged: *unstaged, Zone: *zone, Secret: *secret,
		Mounts: csitest.Kernel{}, Crash: func() { os.Exit(3) },
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(*socket), 0o700); err != nil {
		return err
	}
	_ = os.Remove(*socket) // an earlier one's
	l, err := net.Listen("unix", *socket)
	if err != nil {
		return err
	}
	s := d.Server()
	context.AfterFunc(ctx, s.Stop)
	return s.Serve(l)
}

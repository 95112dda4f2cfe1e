package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/skep-org/skep/internal/cli"
	"github.com/skep-org/skep/internal/node"
)

// version is set by the linker: make build.
var version = "unreleased"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	o := cli.Options{Version: version, RunDaemon: node.Run, Simulate: simulate, Scale: measure, ScalePart: part}
	if err := cli.New(o).ExecuteContext(ctx); err != nil {
		status, silent := cli.Status(err)
		if !silent {
			fmt.Fprintln(os.Stderr, "skep:", err)
		}
		os.Exit(status) //nolint:gocritic // the deferred stop only restores signal handling, which ends here anyway
	}
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/skep-org/skep/examples/whoami/web"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := web.Run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "whoami:", err)
		os.Exit(1) //nolint:gocritic // the deferred stop only restores signal handling, which ends here anyway
	}
}

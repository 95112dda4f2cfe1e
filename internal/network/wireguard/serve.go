package wireguard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// readyFile is where whoever started the process hears that it is ready, or why it cannot be.
const readyFile = 3

// Serve is Run for a process that was started by somebody who waits for a word of it.
func Serve(ctx context.Context, o Options) error {
	said := os.NewFile(readyFile, "ready")
	if _, err := said.Stat(); err != nil {
		return errors.New("skep starts this by itself, on nodes that carry encrypted networks and whose kernel has no WireGuard")
	}
	ready := false
	o.Ready = func() {
		ready = true
		_, _ = fmt.Fprintln(said, "ready")
		_ = said.Close()
	}
	err := Run(ctx, o)
	if err != nil && !ready {
		_, _ = fmt.Fprintln(said, strings.ReplaceAll(err.Error(), "\n", "; "))
		_ = said.Close()
	}
	return err
}

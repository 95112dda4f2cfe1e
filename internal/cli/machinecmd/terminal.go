package machinecmd

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/skep-org/skep/internal/node"
	"github.com/skep-org/skep/internal/provision"
	"github.com/skep-org/skep/internal/provision/fleet"
)

// terminal is where the command's person sits. Only a shell gets a terminal there too: what a command says is to pass
// unchanged.
func terminal(ctx context.Context, cmd *cobra.Command, shell bool) provision.Terminal {
	t := provision.Terminal{In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()}
	in := int(os.Stdin.Fd())
	if !shell || t.In != os.Stdin || !term.IsTerminal(in) {
		return t
	}
	t.Raw = func() (func(), error) {
		was, err := term.MakeRaw(in)
		if err != nil {
			return nil, fmt.Errorf("setting the terminal: %w", err)
		}
		return func() { _ = term.Restore(in, was) }, nil
	}
	t.Size = func() (int, int) {
		if width, height, err := term.GetSize(in); err == nil {
			return width, height
		}
		return 80, 24
	}
	t.Resized = resizes(ctx)
	return t
}

// resizes tells when the terminal's size has changed, until ctx ends.
func resizes(ctx context.Context) <-chan struct{} {
	signals, told := make(chan os.Signal, 1), make(chan struct{}, 1)
	signal.Notify(signals, unix.SIGWINCH)
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
			}
			select {
			case told <- struct{}{}:
			default:
			}
		}
	}()
	return told
}

// dialStdio is the daemon's socket for whoever runs it: what fleet talks to daemons through.
func dialStdio() *cobra.Command {
	var host string
	cmd := &cobra.Command{
		Use:    fleet.DialCommand,
		Short:  "Connect input and output with the daemon's socket",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := (&net.Dialer{}).DialContext(cmd.Context(), "unix", strings.TrimPrefix(host, "unix://"))
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			go func() {
				_, _ = io.Copy(conn, cmd.InOrStdin())
				// Whoever asked has gone; the daemon learns it.
				_ = conn.(*net.UnixConn).CloseWrite()
			}()
			_, err = io.Copy(cmd.OutOrStdout(), conn)
			return err
		},
	}
	cmd.Flags().StringVar(&host, "host", node.DefaultHost, "`address` of skep's API")
	return cmd
}

package machines

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/provision"
)

// Driver reaches hosts of a lab on this machine. It has to be root, as the lab has.
type Driver struct{}

// Open implements [provision.Driver].
func (Driver) Open(_ context.Context, m provision.Machine) (provision.Host, error) {
	dir := m.LabDir
	if dir == "" {
		dir = hosts.DefaultDir
	}
	lab, err := hosts.Open(dir)
	if err != nil {
		return nil, err
	}
	h, err := lab.Find(m.Host)
	if err != nil {
		return nil, err
	}
	return host{h}, nil
}

type host struct{ *hosts.Host }

// Close implements [provision.Host].
func (host) Close() error { return nil }

// command is one on the host, in the surroundings that an SSH server gives a login: nothing of the caller's, and nothing that
// has docker talk to skep.
func (h host) command(ctx context.Context, words ...string) (*exec.Cmd, error) {
	surroundings := []string{"env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root", "TERM=" + cmp.Or(os.Getenv("TERM"), "dumb")}
	return h.Command(ctx, append(surroundings, words...)...)
}

// Run implements [provision.Host].
func (h host) Run(ctx context.Context, script string, in io.Reader, out io.Writer) error {
	cmd, err := h.command(ctx, "sh", "-c", script)
	if err != nil {
		return err
	}
	said := &provision.Tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return said.Explain(err)
	}
	return nil
}

// Shell implements [provision.Host]. The command has this terminal itself.
func (h host) Shell(ctx context.Context, words []string, t provision.Terminal) error {
	if len(words) == 0 {
		words = []string{"sh", "-i"}
	} else {
		// As an SSH server has it: the words are a script's.
		words = []string{"sh", "-c", strings.Join(words, " ")}
	}
	cmd, err := h.command(ctx, words...)
	if err != nil {
		return err
	}
	cmd.SysProcAttr = nil // in the terminal's foreground
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.In, t.Out, t.Err
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return provision.ExitError{Code: exit.ExitCode()}
	}
	return err
}

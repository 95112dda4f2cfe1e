package hosts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/skep-org/skep/internal/lab/engine"
	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// Command is a command on the host: in its network, with its processes and its /run, where docker talks to the host's
// cluster. Its files are otherwise the machine's, and it starts in the caller's directory if the host has it. It ends
// with the host.
func (h *Host) Command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	pid, err := firstProcess(h.dir())
	if err != nil {
		return nil, err
	}
	if pid == 0 {
		return nil, fmt.Errorf("%s is off: skep lab start %s turns it on", h.Name, h.Name)
	}
	nsenter, err := findProgram("nsenter")
	if err != nil {
		return nil, fmt.Errorf("nsenter is not installed (Debian: apt-get install util-linux): %w", err)
	}
	here, err := os.Getwd()
	if err != nil {
		here = "/"
	}
	enter := []string{"--target", strconv.Itoa(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--"}
	enter = append(enter, "sh", "-c", `cd "$1" 2>/dev/null; shift; exec "$@"`, "lab", here)
	cmd := exec.CommandContext(ctx, nsenter, append(enter, args...)...)
	// nsenter starts another process: at the context's end both are to go, and nobody waits for the other's output.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	cmd.Env = append(rootEnvironment(), "LAB_HOST="+h.Name)
	if h.m.host() {
		cmd.Env = append(cmd.Env, "DOCKER_HOST=unix:///run/"+h.socket())
	}
	return cmd, nil
}

// Exec runs a command on the host and returns what it says on both its outputs.
func (h *Host) Exec(ctx context.Context, args ...string) (string, error) {
	cmd, err := h.Command(ctx, args...)
	if err != nil {
		return "", err
	}
	out, err := cmd.CombinedOutput()
	said := strings.TrimSpace(string(out))
	if err != nil {
		return said, fmt.Errorf("%s on %s: %w: %s", strings.Join(args, " "), h.Name, err, said)
	}
	return said, nil
}

// Signal sends a signal to one of the host's programs, Engine or Daemon, as a crash or an upgrade of it does. The host
// starts it again after half a second unless Hold says otherwise.
func (h *Host) Signal(ctx context.Context, program string, sig syscall.Signal) error {
	_, err := h.Exec(ctx, "sh", "-c", fmt.Sprintf("kill -%d $(cat %s)", int(sig), guest.PidFile(program)))
	return err
}

// Hold keeps a program that ends from being started again, or lets it.
func (h *Host) Hold(program string, held bool) error {
	if err := guest.Hold(h.dir(), program, held); err != nil {
		return fmt.Errorf("holding %s on %s: %w", program, h.Name, err)
	}
	return nil
}

// DialContext connects from the host's network; from the client's that is as users of the cluster's services do. The
// address must be numeric. It fits http.Transport.DialContext.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	pid, err := firstProcess(h.dir())
	if err == nil && pid == 0 {
		err = errors.New("it is off")
	}
	if err != nil {
		return nil, fmt.Errorf("dialling from %s: %w", h.Name, err)
	}
	return engine.DialIn(ctx, "/proc/"+strconv.Itoa(pid)+"/ns/net", network, address)
}

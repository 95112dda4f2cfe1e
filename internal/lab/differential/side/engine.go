package side

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/skep-org/skep/internal/lab/engine"
)

// startEngine starts a private engine and imports the test image into it. The
// network gets one address beside loopback, as a real host has.
func (s *Side) startEngine(ctx context.Context, o Options) error {
	e, err := engine.Start(ctx, engine.Config{Dir: filepath.Join(o.Dir, "e")})
	if err != nil {
		return err
	}
	s.closer = append(s.closer, e.Stop)
	s.engine, s.EngineHost = e, e.Host()
	for _, args := range [][]string{
		{"link", "add", "eth0", "type", "veth", "peer", "name", "wire"}, // not every kernel has dummy devices
		{"addr", "add", "192.0.2.10/24", "dev", "eth0"},
		{"link", "set", "eth0", "up"},
		{"link", "set", "wire", "up"},
		{"route", "add", "default", "via", "192.0.2.1"},
	} {
		if out, err := e.Command(ctx, "ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("giving the engine's network an address: ip %s: %w: %s", args, err, out)
		}
	}
	for _, tag := range o.Tags {
		_, err := engine.ImportImage(ctx, e.Client(), tag, []engine.File{
			{Path: "/testimage", From: o.Program},
			{Path: "/bin/sh", From: o.Program},
		},
			`ENTRYPOINT ["/testimage"]`, "LABEL tag="+tag)
		if err != nil {
			return err
		}
	}
	return nil
}

// The addresses of two sides that are wired.
const (
	WiredAddr = "198.51.100.1" // of the side that was there
	wiredPeer = "198.51.100.2" // of the other
)

// Wire lays a wire from s to the other side, which so becomes a host that can join a cluster begun on s.
func (s *Side) Wire(ctx context.Context, other *Side) error {
	here, there := "--net="+s.engine.NetNS(), "--net="+other.engine.NetNS()
	for _, args := range [][]string{
		{here, "ip", "link", "add", "wired", "type", "veth", "peer", "name", "wired", "netns", other.engine.NetNS()},
		{here, "ip", "addr", "add", WiredAddr + "/24", "dev", "wired"},
		{here, "ip", "link", "set", "wired", "up"},
		{there, "ip", "addr", "add", wiredPeer + "/24", "dev", "wired"},
		{there, "ip", "link", "set", "wired", "up"},
	} {
		if out, err := exec.CommandContext(ctx, "nsenter", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("wiring two hosts: %s: %w: %s", args, err, out)
		}
	}
	return nil
}

// BuildProgram compiles the program inside the test image.
func BuildProgram(ctx context.Context, path string) error {
	return engine.BuildStatic(ctx, "github.com/skep-org/skep/internal/lab/differential/side/testimage", path)
}

// startDaemon runs skep in all of the engine's namespaces, as both run on one
// host: what skep mounts has to be there for the engine.
func (s *Side) startDaemon(binary string) error {
	log, err := os.Create(filepath.Join(s.Dir, "skep.log"))
	if err != nil {
		return fmt.Errorf("making skep's log: %w", err)
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor
	namespaces := filepath.Dir(s.engine.NetNS())
	cmd := exec.CommandContext(context.Background(), "nsenter", "--net="+namespaces+"/net", "--mount="+namespaces+"/mnt", "--pid="+namespaces+"/pid", "--",
		binary, "daemon", "--data-dir", filepath.Join(s.Dir, "skep"),
		"--host", "unix://"+filepath.Join(s.Dir, "skep.sock"), "--engine", s.EngineHost)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting skep: %w", err)
	}
	s.closer = append(s.closer, func() error { return end(cmd) })
	return nil
}

// end kills a process of ours and what it forked into the namespaces; that it
// was killed is no error.
func end(cmd *exec.Cmd) error {
	pid := strconv.Itoa(cmd.Process.Pid)
	children, err := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("finding what process %s started: %w", pid, err)
	}
	for child := range strings.FieldsSeq(string(children)) {
		n, err := strconv.Atoi(child)
		if err != nil {
			return fmt.Errorf("finding what process %s started: %w", pid, err)
		}
		if err := syscall.Kill(n, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("ending process %d: %w", n, err)
		}
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending process %d: %w", cmd.Process.Pid, err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("waiting for process %d: %w", cmd.Process.Pid, err)
	}
	return nil
}

package engine

import (
	"bufio"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/client"
)

//go:embed boot.sh
var bootScript string

// silentDNS is a loopback address where nothing listens, so that the kernel refuses a query at once. It is an unusual
// one because 127.0.0.1 and 127.0.0.53 are where resolvers of real machines are.
const silentDNS = "127.83.75.80"

// pollEvery is short because a lab engine is up in about 150 ms and a test pays every wait.
const pollEvery = 10 * time.Millisecond

func (e *Engine) prepareDir() error {
	if st, err := loadState(e.files.state()); err == nil {
		old := Engine{state: st}
		if running, err := old.alive(); running || err != nil {
			return errors.Join(fmt.Errorf("an engine runs there already (first process %d): stop it first", st.FirstPID), err)
		}
	}
	if err := os.MkdirAll(e.files.etcDocker(), 0o755); err != nil {
		return fmt.Errorf("making its directory: %w", err)
	}
	if err := os.WriteFile(e.files.resolvConf(), []byte("nameserver "+silentDNS+"\n"), 0o644); err != nil {
		return fmt.Errorf("writing its resolver: %w", err)
	}
	id := make([]byte, 4)
	if _, err := rand.Read(id); err != nil {
		return fmt.Errorf("choosing an id: %w", err)
	}
	e.state.ID = hex.EncodeToString(id)
	return nil
}

// boot starts the first process of the engine's namespaces and waits until its mounts are made.
func (e *Engine) boot(ctx context.Context) error {
	network, resolver, life := "private", "refuse", "attached"
	if e.cfg.Detached {
		life = "detached"
	}
	flags := uintptr(syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET)
	if e.cfg.Network == HostNetwork {
		network, flags = "host", flags&^syscall.CLONE_NEWNET
	}
	if e.cfg.Resolver == HostResolver {
		resolver = "host"
	}
	//nolint:noctx // the context bounds the start; the process lives on until Stop
	cmd := exec.Command("/bin/sh", "-c", bootScript, "engine", e.cfg.Dir, network, resolver, life, e.cgroup())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Setsid: true}
	if !e.cfg.Detached {
		if err := e.attach(cmd); err != nil {
			return err
		}
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("listening to its first process: %w", err)
	}
	log, err := e.openLog()
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("making its namespaces: %w", err)
	}
	if stdin, ok := cmd.Stdin.(*os.File); ok {
		_ = stdin.Close()
	}
	e.first, e.state.FirstPID = cmd, cmd.Process.Pid
	if e.state.FirstStarted, err = startTime(e.state.FirstPID); err != nil {
		return fmt.Errorf("looking at its first process: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if line, err := bufio.NewReader(said).ReadString('\n'); line != "ready\n" {
		_ = cmd.Wait()
		return errors.Join(fmt.Errorf("making its mounts: %s", lastLines(e.files.log(), 1)), err, ctx.Err())
	}
	return nil
}

func (e *Engine) openLog() (*os.File, error) {
	log, err := os.OpenFile(e.files.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening its log: %w", err)
	}
	return log, nil
}

// attach gives the first process a standard input that ends with this process, however that ends.
func (e *Engine) attach(cmd *exec.Cmd) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making its lifeline: %w", err)
	}
	cmd.Stdin, e.keep = r, w
	return nil
}

// startDaemon starts dockerd in the namespaces and waits until it answers.
func (e *Engine) startDaemon(ctx context.Context) error {
	log, err := e.openLog()
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	_ = os.Remove(e.files.pidfile()) // after a kill -9 it names a process of this namespace that may live again

	enter := []string{"--target", strconv.Itoa(e.state.FirstPID), "--mount", "--pid", "--net", "--"}
	//nolint:noctx // the context bounds the start; the engine lives on until Stop
	cmd := exec.Command("nsenter", append(enter, e.daemonCommand()...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", e.cfg.Program, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	e.ended = ended
	return e.waitReady(ctx, ended)
}

func (e *Engine) daemonCommand() []string {
	args := []string{
		e.cfg.Program,
		"--data-root", e.files.data(), "--exec-root", e.files.exec(), "--pidfile", e.files.pidfile(), "--host", e.Host(),
		// The parent makes what is left of control groups findable; cgroupfs because no systemd is in these namespaces.
		"--cgroup-parent", e.cgroup(), "--exec-opt", "native.cgroupdriver=cgroupfs",
	}
	if e.cfg.Network == HostNetwork {
		args = append(args, e.state.Host.daemonArgs()...)
	}
	return append(args, e.cfg.Args...)
}

// waitReady asks the socket until it answers, dockerd has ended or the context is over.
func (e *Engine) waitReady(ctx context.Context, ended <-chan struct{}) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		_, err := e.api.Ping(ctx, client.PingOptions{})
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("%s ended at once: %s", e.cfg.Program, lastLines(e.files.log(), 5))
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer: %w; the end of its log: %s", e.cfg.Program, ctx.Err(), lastLines(e.files.log(), 5))
		case <-tick.C:
		}
	}
}

// lastLines is the end of a file, for an error's text.
func lastLines(path string, n int) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-4096), io.SeekStart)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

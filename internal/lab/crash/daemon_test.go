package crash

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/engine"
	"github.com/skep-org/skep/internal/lab/engine/enginetest"
)

var (
	keepLogs = flag.String("crash.logs", "", "keep the daemons' logs in this directory")
	given    = flag.String("crash.program", "", "test this skep, one built with -race for instance, instead of compiling one")
)

// program is skep, compiled at its first use.
var program = sync.OnceValues(func() ([]byte, error) {
	if *given != "" {
		return os.ReadFile(*given)
	}
	dir, err := os.MkdirTemp("", "skep-crash")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "skep")
	if err := engine.BuildStatic(context.Background(), "github.com/skep-org/skep/cmd/skep", path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// daemon is skep beside one engine: one process at a time, on the same data directory.
type daemon struct {
	t      *testing.T
	engine *engine.Engine
	dir    string
	api    *client.Client

	cmd     *exec.Cmd
	ended   chan struct{} // closed when cmd has ended
	started time.Time
	runs    int
}

// newDaemon gives the test an engine with images and a skep that does not run yet.
func newDaemon(t *testing.T, options ...func(*engine.Config)) *daemon {
	t.Helper()
	e := enginetest.Start(t, options...)
	enginetest.Whoami(t, e, image(1), "LABEL version=1")
	enginetest.Whoami(t, e, image(2), "LABEL version=2")
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, engine: e, dir: enginetest.Dir(t)}
	// Written by another process: a program that this one has open for writing, if only in a child it is just starting,
	// cannot be executed ("text file busy").
	install := exec.Command("install", "-m", "0755", "/dev/stdin", d.path("skep"))
	install.Stdin = bytes.NewReader(bin)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if d.api, err = client.New(client.WithHost("unix://" + d.path("skep.sock"))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.end(syscall.SIGKILL)
		_ = d.api.Close()
		d.saveLog()
	})
	return d
}

func (d *daemon) path(name string) string { return filepath.Join(d.dir, name) }

// command is skep beside the engine, as on one host: what it mounts and connects is where the engine looks for it.
func (d *daemon) command(dataDir, socket string) *exec.Cmd {
	return d.engine.Beside(context.Background(), d.path("skep"), "daemon", "--data-dir", d.path(dataDir),
		"--host", "unix://"+d.path(socket), "--engine", d.engine.Host(), "--advertise-addr", "127.0.0.1", "--log-level", "debug")
}

// start starts the daemon and does not wait for it.
func (d *daemon) start() {
	d.t.Helper()
	log, err := os.OpenFile(d.path("log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	d.runs++
	fmt.Fprintf(log, "--- run %d, %s\n", d.runs, time.Now().UTC().Format("15:04:05.000"))
	cmd := d.command("data", "skep.sock")
	cmd.Stdout, cmd.Stderr = log, log
	d.started = time.Now()
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	d.cmd, d.ended = cmd, ended
}

// end sends a signal and waits for the process to end.
func (d *daemon) end(sig syscall.Signal) {
	d.t.Helper()
	if d.cmd == nil {
		return
	}
	if p := d.process(); p != nil {
		if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			d.t.Error(err)
		}
	}
	select {
	case <-d.ended:
	case <-time.After(30 * time.Second):
		d.t.Errorf("skep still runs 30 s after %v", sig)
		if p := d.process(); p != nil {
			_ = p.Kill()
		}
		<-d.ended
	}
	d.cmd = nil
}

// process is skep's own; nil: it has ended.
func (d *daemon) process() *os.Process {
	for {
		if p, ok := engine.Child(d.cmd); ok {
			return p
		}
		select {
		case <-d.ended:
			return nil
		case <-time.After(time.Millisecond): // it is just being started
		}
	}
}

// serving waits until the daemon answers about services and returns how long after its start that was.
func (d *daemon) serving() time.Duration {
	d.t.Helper()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), callLimit)
		_, err := d.api.ServiceList(ctx, client.ServiceListOptions{})
		cancel()
		took := time.Since(d.started)
		select {
		case <-d.ended:
			d.t.Fatalf("skep ended by itself:\n%s", d.logTail())
		default:
		}
		if err == nil {
			return took
		}
		if took > settleLimit {
			d.t.Fatalf("%v after its start skep does not serve: %v\n%s", took, err, d.logTail())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// startAndInit starts the daemon and founds a cluster, and returns the node's id.
func (d *daemon) startAndInit() string {
	d.t.Helper()
	d.start()
	for {
		_, err := d.api.Ping(d.t.Context(), client.PingOptions{})
		if err == nil {
			break
		}
		if time.Since(d.started) > settleLimit {
			d.t.Fatalf("skep does not answer: %v\n%s", err, d.logTail())
		}
		time.Sleep(10 * time.Millisecond)
	}
	r, err := d.api.SwarmInit(d.t.Context(), client.SwarmInitOptions{ListenAddr: "0.0.0.0:2377"})
	if err != nil {
		d.t.Fatalf("docker swarm init: %v", err)
	}
	return r.NodeID
}

func (d *daemon) log() []byte {
	b, err := os.ReadFile(d.path("log"))
	if err != nil {
		d.t.Error(err)
	}
	return b
}

func (d *daemon) logTail() []byte {
	lines := bytes.Split(bytes.TrimSpace(d.log()), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-20):], []byte("\n"))
}

func (d *daemon) saveLog() {
	if *keepLogs == "" {
		return
	}
	name := filepath.Join(*keepLogs, d.t.Name()+".log")
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, d.log(), 0o644)); err != nil {
		d.t.Error(err)
	}
}

package guest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What is said through the lifeline and, by the host, on its standard output.
const (
	Ready  = "ready"  // the mounts are made; the host waits for its link
	Go     = "go"     // the link is there
	Up     = "up"     // the addresses are set; programs are being started
	Detach = "detach" // do not end with the lifeline
)

// LifelineFD is the file descriptor of the lifeline's reading end.
const LifelineFD = 3

// cleanLimit is how long a host whose starter died tries to remove its control groups: they come free with the last of
// its processes.
const cleanLimit = 5 * time.Second

// Serve is the first process of a host with its directory dir. It returns after an orderly shutdown.
func Serve(dir string) error {
	if os.Getenv(watching) != "" {
		return watch()
	}
	if os.Getpid() != 1 {
		return errors.New("lab-init is the first process of a lab's host and is started by skep lab up only")
	}
	spec, err := load(dir)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	// Without it, what is told to a starter that is gone would end the host before it has cleaned up.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	life := &lifeline{said: bufio.NewScanner(os.NewFile(LifelineFD, "lifeline"))}
	if err := spec.set(dir); err != nil {
		return err
	}
	if err := tell(Ready); err != nil || !life.hears(Go) {
		spec.abandoned()
	}
	if err := spec.configure(ctx); err != nil {
		return err
	}
	if spec.Systemd {
		return startSystemd()
	}
	if err := tell(Up); err != nil {
		spec.abandoned()
	}
	go func() {
		if !life.hears(Detach) {
			spec.abandoned()
		}
	}()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	r := &reaper{ended: map[int]chan struct{}{}}
	go r.run(context.Background()) // until the process ends: an ending program has to be reaped too
	s := &supervisor{dir: dir, env: Environment(), reaper: r, logger: logger}
	s.run(ctx, spec.Programs)
	return nil
}

// set makes this process's surroundings those of the host.
func (s Spec) set(dir string) error {
	// The engine and the network's tools are where only root's PATH may lead.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(s.Name)); err != nil {
		return fmt.Errorf("setting the host's name: %w", err)
	}
	if err := enterCgroup(s.Cgroup); err != nil {
		return err
	}
	if !s.Systemd {
		return s.privateMounts(dir)
	}
	// What is made here is this thread's until systemd takes the process over.
	runtime.LockOSThread()
	if err := enterAllCgroups(s.Cgroup); err != nil {
		return err
	}
	if err := s.ownRoot(dir); err != nil {
		return err
	}
	return once(dir, func() error { return errors.Join(makeBare(), s.makeSystemd(dir)) })
}

func tell(word string) error {
	_, err := io.WriteString(os.Stdout, word+"\n")
	return err
}

// lifeline is the reading end of the pipe to the starter.
type lifeline struct{ said *bufio.Scanner }

// hears waits for a word and tells whether it came before the starter went.
func (l *lifeline) hears(word string) bool {
	for l.said.Scan() {
		if l.said.Text() == word {
			return true
		}
	}
	return false
}

// abandoned ends the host whose starter died without a word, with what the starter would have cleaned up. It does not
// return.
func (s Spec) abandoned() {
	_ = unix.Kill(-1, unix.SIGKILL)
	_ = leaveCgroup()
	for deadline := time.Now().Add(cleanLimit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if RemoveCgroups(s.Cgroup) == nil {
			break
		}
	}
	RemoveParent(filepath.Dir(s.Cgroup)) // goes with the last host
	os.Exit(1)
}

// Environment is the caller's without what it says about another engine, another daemon or the way out: from a lab there
// is none.
func Environment() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return strings.HasPrefix(name, "DOCKER_") || strings.HasPrefix(name, "SKEP_") || name == "NOTIFY_SOCKET" ||
			strings.HasSuffix(strings.ToLower(name), "_proxy")
	})
}

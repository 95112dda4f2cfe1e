package guest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// restartDelay keeps a program that ends at once from being started a thousand times a second.
	restartDelay = 500 * time.Millisecond
	// holdPoll is how soon a program starts that is held no longer.
	holdPoll = 50 * time.Millisecond
	// endLimit is how long a program may take to end in an orderly way: the engine gives its containers ten seconds.
	endLimit = 20 * time.Second
)

// supervisor keeps a host's programs running.
type supervisor struct {
	dir    string
	env    []string
	reaper *reaper
	logger *slog.Logger
}

// run starts the programs, in order, and starts again what ends. When the context ends it ends them in reverse order.
func (s *supervisor) run(ctx context.Context, programs []Program) {
	type running struct {
		stop context.CancelFunc
		done sync.WaitGroup
	}
	all := make([]*running, len(programs))
	for i, p := range programs {
		one, stop := context.WithCancel(context.WithoutCancel(ctx))
		all[i] = &running{stop: stop}
		all[i].done.Go(func() { s.keep(one, p) })
	}
	<-ctx.Done()
	for i := len(all) - 1; i >= 0; i-- {
		all[i].stop()
		all[i].done.Wait()
	}
}

// keep runs one program until the context ends.
func (s *supervisor) keep(ctx context.Context, p Program) {
	for ctx.Err() == nil {
		if _, err := os.Stat(hold(s.dir, p.Name)); err == nil {
			pause(ctx, holdPoll)
			continue
		}
		pid, ended, err := s.reaper.start(func() (int, error) { return s.start(p) })
		if err != nil {
			s.logger.Error("a program could not be started", "program", p.Name, "err", err)
			pause(ctx, restartDelay)
			continue
		}
		s.logger.Info("started", "program", p.Name, "pid", pid)
		select {
		case <-ended:
			s.logger.Warn("a program ended and is started again", "program", p.Name)
			pause(ctx, restartDelay)
		case <-ctx.Done():
			s.end(p, pid, ended)
		}
	}
}

// start starts a program and notes its process number. It does not use os/exec, which would wait for the process itself.
func (s *supervisor) start(p Program) (int, error) {
	log, err := os.OpenFile(Log(s.dir, p.Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return 0, fmt.Errorf("opening the log of %s: %w", p.Name, err)
	}
	defer func() { _ = log.Close() }()
	path, err := exec.LookPath(p.Argv[0])
	if err != nil {
		return 0, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer func() { _ = null.Close() }()
	pid, _, err := syscall.StartProcess(path, p.Argv, &syscall.ProcAttr{
		Env:   s.env,
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(PidFile(p.Name)), 0o755); err != nil {
		return pid, err
	}
	return pid, os.WriteFile(PidFile(p.Name), []byte(strconv.Itoa(pid)), 0o644)
}

// end asks a program to end and, when it does not, makes it.
func (s *supervisor) end(p Program, pid int, ended <-chan struct{}) {
	_ = syscall.Kill(pid, syscall.SIGTERM)
	select {
	case <-ended:
		return
	case <-time.After(endLimit):
		s.logger.Warn("a program did not end when asked to and is killed", "program", p.Name)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	<-ended
}

// pause waits, but not beyond the context.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

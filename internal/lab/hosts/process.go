package hosts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// InitCommand is the hidden command a machine's first process runs.
const InitCommand = "lab-init"

// pollEvery is short because machines come and go in tens of milliseconds.
const pollEvery = 10 * time.Millisecond

// firstProcess finds a machine's first process by its exact arguments; 0 when the machine is off, or is killed and its
// last processes are being ended.
func firstProcess(dir string) (int, error) {
	found, err := firstProcesses(func(d string) bool { return d == dir })
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0], nil
}

// firstProcesses finds those whose directory is wanted.
func firstProcesses(wanted func(dir string) bool) ([]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var found []int
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err != nil {
			continue // it ended meanwhile
		}
		args := strings.Split(string(bytes.TrimRight(line, "\x00")), "\x00")
		if len(args) != 3 || args[1] != InitCommand || !wanted(args[2]) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err == nil && firstInNamespace(pid) {
			found = append(found, pid)
		}
	}
	return found, nil
}

// firstInNamespace tells a machine's first process from one that merely has its arguments.
func firstInNamespace(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(numbers)
			return len(fields) > 1 && fields[len(fields)-1] == "1"
		}
	}
	return false
}

// process is a machine's first process, held by a descriptor, so that a number given anew is never signalled.
type process struct {
	*os.Process
}

// hold finds a machine's first process; nil when the machine is off.
func hold(dir string) (*process, error) {
	pid, err := firstProcess(dir)
	if err != nil || pid == 0 {
		return nil, err
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil, fmt.Errorf("finding process %d: %w", pid, err)
	}
	// Looked at again now that it is held: what has the arguments is what we hold.
	if again, err := firstProcess(dir); err != nil || again != pid {
		return nil, errors.Join(err, p.Release())
	}
	return &process{p}, nil
}

// signal sends a signal; that the process has ended already is no error.
func (p *process) signal(sig os.Signal) error {
	if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signalling process %d: %w", p.Pid, err)
	}
	return nil
}

// gone waits until the first process has ended, which it does after all the others of its namespace.
func (p *process) gone(ctx context.Context) error {
	return until(ctx, fmt.Sprintf("process %d and all it started have ended", p.Pid), func() (bool, error) {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		// The command's name is in brackets and may hold anything; after it comes the state. Ended processes that only
		// wait to be collected are Z; a number given anew is answered by the held process itself.
		rest := string(data[bytes.LastIndexByte(data, ')')+1:])
		if state := strings.Fields(rest); len(state) > 0 && (state[0] == "Z" || state[0] == "X") {
			return true, nil
		}
		return errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone), nil
	})
}

// until repeats a check until it says yes, fails or the context ends.
func until(ctx context.Context, what string, check func() (bool, error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if ok, err := check(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, ctx.Err())
		}
	}
}

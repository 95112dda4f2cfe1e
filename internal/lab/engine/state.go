package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// state is what Stop has to know, kept in engine.json for a process other than the one that started the engine.
type state struct {
	ID       string // eight hexadecimal digits, in the names of what the engine makes outside its namespaces
	FirstPID int
	// FirstStarted is the first process's start time in clock ticks since boot: the kernel uses a number again, but not
	// with the same start time, so Stop never ends a stranger.
	FirstStarted string
	Network      Network
	Program      string
	Args         []string
	Host         hostNetwork
}

func (e *Engine) saveState() error {
	e.state.Network, e.state.Program, e.state.Args = e.cfg.Network, e.cfg.Program, e.cfg.Args
	data, err := json.MarshalIndent(e.state, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the engine's state: %w", err)
	}
	if err := os.WriteFile(e.files.state(), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("keeping the engine's state: %w", err)
	}
	return nil
}

func loadState(path string) (state, error) {
	var s state
	data, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("reading %s: %w", path, err)
	}
	return s, nil
}

// startTime is when a process started, in clock ticks since boot; empty when there is no such process or when it has
// ended and only waits to be reaped.
func startTime(pid int) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	// The command's name is in brackets and may hold anything; fields are counted after the last bracket.
	_, rest, ok := cutLast(string(data), ")")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat has not the form expected", pid)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return "", nil
	}
	return fields[19], nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// alive tells whether the engine's first process still runs.
func (e *Engine) alive() (bool, error) {
	if e.state.FirstPID == 0 {
		return false, nil
	}
	started, err := startTime(e.state.FirstPID)
	return started != "" && started == e.state.FirstStarted, err
}

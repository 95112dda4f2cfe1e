package csitest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Place is a directory that the drivers of all hosts share.
type Place string

// State is what the drivers remember together.
type State struct {
	Volumes    map[string]*Volume
	Faults     []Fault
	Violations []string
	Calls      map[string]int // by name, those that had their effect
}

// Volume is one volume.
type Volume struct {
	Name  string
	Multi bool
	Nodes map[string]*Stay
}

// Stay is what of a volume is on a node.
type Stay struct {
	Attached  bool
	Staged    string // where; empty: it is not
	Published string
}

// Fault is something that is to go wrong.
type Fault struct {
	Call string // empty: any
	Node string // the driver that is to make it; empty: any
	How  How
	Left int // how often
}

// How is what goes wrong.
type How string

// The faults.
const (
	FailBefore  How = "fail before"
	FailAfter   How = "fail after"
	Hang        How = "hang"
	CrashBefore How = "crash before"
	CrashAfter  How = "crash after"
)

// change has f change the state, which nobody else sees meanwhile.
func (p Place) change(f func(*State) error) (err error) {
	lock, err := os.OpenFile(filepath.Join(string(p), "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	s := &State{Volumes: map[string]*Volume{}, Calls: map[string]int{}}
	file := filepath.Join(string(p), "state.json")
	raw, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(raw, s)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("reading the drivers' state: %w", err)
	}
	failed := f(s)
	if raw, err = json.Marshal(s); err != nil {
		return err
	}
	if err := os.WriteFile(file+".next", raw, 0o600); err != nil {
		return err
	}
	return errors.Join(failed, os.Rename(file+".next", file))
}

// Look returns the state.
func (p Place) Look() (s State, err error) {
	err = p.change(func(now *State) error { s = *now; return nil })
	return s, err
}

// Plant has something go wrong.
func (p Place) Plant(f Fault) error {
	return p.change(func(s *State) error { s.Faults = append(s.Faults, f); return nil })
}

// Calm forgets the faults that have not come yet.
func (p Place) Calm() error {
	return p.change(func(s *State) error { s.Faults = nil; return nil })
}

// Died says that nothing runs on a node any more, until Lives: its driver's controller may take volumes from it.
func (p Place) Died(node string) error {
	if err := os.MkdirAll(filepath.Join(string(p), "dead"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(string(p), "dead", node), nil, 0o600)
}

// Lives says that a node is on again.
func (p Place) Lives(node string) error {
	return os.Remove(filepath.Join(string(p), "dead", node))
}

// Forget takes away what a node had mounted: its power is off.
func (p Place) Forget(node string) error {
	return p.change(func(s *State) error {
		for _, v := range s.Volumes {
			if stay := v.Nodes[node]; stay != nil {
				stay.Staged, stay.Published = "", ""
			}
		}
		return nil
	})
}

func (p Place) dead(node string) bool {
	_, err := os.Stat(filepath.Join(string(p), "dead", node))
	return err == nil
}

// Violations are what the drivers found wrong.
func (p Place) Violations() ([]string, error) {
	s, err := p.Look()
	return s.Violations, err
}

func (p Place) data(volume string) string { return filepath.Join(string(p), "data", volume) }

func (s *State) violated(format string, args ...any) {
	s.Violations = append(s.Violations, fmt.Sprintf(format, args...))
}

// on is a volume's stay on a node.
func (v *Volume) on(node string) *Stay {
	if v.Nodes[node] == nil {
		v.Nodes[node] = &Stay{}
	}
	return v.Nodes[node]
}

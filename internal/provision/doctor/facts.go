package doctor

import (
	"time"

	"github.com/skep-org/skep/internal/network"
)

// Facts are what was found out about a host.
type Facts struct {
	At   time.Time `json:"at"` // by the host's clock
	Host string    `json:"host"`
	Root bool      `json:"root"` // whoever looked was root; others see little

	Kernel   string    `json:"kernel"`
	Features []Feature `json:"features"`
	Cgroups  int       `json:"cgroups"` // the version of control groups that is mounted; 0: none
	// Sysctls are the kernel's settings, of those that this kernel has.
	Sysctls map[string]string `json:"sysctls"`
	// ClockKept tells whether something keeps the clock right, as far as the kernel was told.
	ClockKept bool `json:"clockKept"`

	Engine Engine `json:"engine"`
	Disks  []Disk `json:"disks"`
	Ports  []Port `json:"ports"`
	// Uplink is the interface that others are reached by, Overlay the cluster's ingress network on this host.
	Uplink  Link `json:"uplink"`
	Overlay Link `json:"overlay"`

	Daemon Daemon `json:"daemon"`
	// Managers are those that this host should reach, with what came of it.
	Managers []Reach `json:"managers"`
	Nodes    []Node  `json:"nodes"` // what skep net check says
	NetErr   string  `json:"netErr,omitempty"`
}

// Feature is something the kernel was asked to do, in a place where it harms nothing.
type Feature struct {
	Name   string `json:"name"`
	Module string `json:"module"` // the one that brings it
	Err    string `json:"err,omitempty"`
}

// Engine is the Docker Engine.
type Engine struct {
	Installed bool   `json:"installed"`
	Address   string `json:"address"`
	Err       string `json:"err,omitempty"` // why it does not answer
	Version   string `json:"version"`
	// Swarm is the state of the engine's own swarm mode.
	Swarm   string `json:"swarm"`
	RootDir string `json:"rootDir"`
}

// Disk is a file system, by a directory that is kept there.
type Disk struct {
	Path        string `json:"path"`
	Free, Total uint64
	FreeNodes   uint64 `json:"freeNodes"` // files that can be made
	Nodes       uint64 `json:"nodes"`
}

// Port is one that skep listens at.
type Port struct {
	Network string `json:"network"`
	Number  int    `json:"number"`
	Err     string `json:"err,omitempty"` // why it is not free
}

// Link is a network interface.
type Link struct {
	Name string `json:"name"` // empty: there is none
	MTU  int    `json:"mtu"`
}

// Daemon is the host's skep.
type Daemon struct {
	Installed bool   `json:"installed"`
	Address   string `json:"address"`
	Err       string `json:"err,omitempty"` // why it does not answer
	Version   string `json:"version"`
	State     string `json:"state"` // in its cluster
	StateErr  string `json:"stateErr,omitempty"`
	Manager   bool   `json:"manager"`
}

// Reach is a connection that was tried.
type Reach struct {
	Addr string `json:"addr"`
	Err  string `json:"err,omitempty"`
}

// Node is one node's part of skep net check.
type Node struct {
	Name     string            `json:"name"`
	Self     bool              `json:"self"`
	Err      string            `json:"err,omitempty"` // why it was not checked
	Findings []network.Finding `json:"findings"`
	// Skew is how far its clock is from this host's, at least; 0: not measurably.
	Skew time.Duration `json:"skew"`
}

package doctor

import (
	"cmp"
	"slices"
)

// Level is how bad a finding is.
type Level string

// The levels.
const (
	// Wrong is what keeps the host from being a node, or a node from working.
	Wrong Level = "wrong"
	// Doubtful is what works now and may not later.
	Doubtful Level = "doubtful"
)

// Areas are what findings are about, in the order in which they are shown.
const (
	AreaHost    = "host"
	AreaKernel  = "kernel"
	AreaClock   = "clock"
	AreaDisk    = "disk"
	AreaEngine  = "engine"
	AreaPorts   = "ports"
	AreaDaemon  = "skep"
	AreaNetwork = "network"
)

// Finding is one thing that is not as it should be.
type Finding struct {
	Area  string `json:"area"`
	Level Level  `json:"level"`
	What  string `json:"what"` // what is so
	Why   string `json:"why"`  // what it does
	Mend  string `json:"mend"` // the command
}

// Stage says what a host is to be judged as.
type Stage int

// The stages.
const (
	Bare Stage = iota // what is to be installed yet is not missed
	Full
)

// check is one row of the table: what it looks at, and what it finds.
type check struct {
	area  string
	look  func(Facts) []Finding
	stage Stage // from which on it counts
}

// checks is the table of all there is to look at.
func checks() []check {
	return []check{
		{AreaHost, asRoot, Bare},
		{AreaKernel, features, Bare},
		{AreaKernel, cgroups, Bare},
		{AreaKernel, forwarding, Full},
		{AreaKernel, connections, Bare},
		{AreaKernel, neighbours, Bare},
		{AreaClock, clockKept, Bare},
		{AreaClock, skew, Full},
		{AreaDisk, disks, Bare},
		{AreaEngine, engineMissing, Full},
		{AreaEngine, engine, Bare},
		{AreaPorts, ports, Bare},
		{AreaDaemon, daemonMissing, Full},
		{AreaDaemon, daemon, Bare},
		{AreaNetwork, managers, Bare},
		{AreaNetwork, mtu, Bare},
		{AreaNetwork, reach, Full},
	}
}

// Judge says what is not as it should be.
func Judge(f Facts, as Stage) []Finding {
	var all []Finding
	for _, c := range checks() {
		if c.stage > as {
			continue
		}
		for _, found := range c.look(f) {
			found.Area = c.area
			found.Level = cmp.Or(found.Level, Wrong)
			all = append(all, found)
		}
	}
	return all
}

// Sound tells whether nothing is wrong.
func Sound(all []Finding) bool {
	return !slices.ContainsFunc(all, func(f Finding) bool { return f.Level == Wrong })
}

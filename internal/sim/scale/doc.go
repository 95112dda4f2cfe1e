// Package scale runs a cluster at full size by the clock on the wall: real managers, each a process of its own, over loopback
// TLS, and thousands of agents with simulated engines in a few processes more. It measures what managers spend on a task and
// where the time goes, as sizes grow.
//
// [Run] starts this program again for each manager and for each group of agents ([Part] is what those run), and drives them
// over their standard input and output. A manager is [node.Bare]: the daemon's own log, store, stages, dispatcher and API. An
// agent is the daemon's own, with a connection and a loopback address of its own; only its engine is simulated.
//
// It reads the tables of the managers it runs, and writes NodeSpec and NodeIdentity, as joins would. All else is asked of the
// API.
//
// Invariants: a part ends when its standard input does, so that nothing outlives the run, however that ends; what a run puts
// on disk is in one directory, which it removes. Figures are of the kernel's accounts (/proc) or counted where the bytes pass.
//
// Callers may not assume that a figure is free of what else the machine does: [Report.Load] says how much that was. Managers,
// agents and whoever asks share its processors.
package scale

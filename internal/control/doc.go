// Package control runs the stages of a manager: a [Planner] decides, a [Loop] does everything else.
//
// A planner is a pure function from tables and a time to row writes. The loop watches the tables the planner reads,
// turns changes into keys, coalesces them, plans, commits, and comes back when a row changes or a wake-up time the
// planner asked for has come. It reads and writes no table of its own.
//
// Invariants: a planner sees its own uncommitted writes; its writes are applied in the order planned; a refused write
// makes its keys due again; a planner's error ends the loop, and with it the leader's term.
//
// Callers may not assume that a key is planned once per change, nor that a wake-up is exact: a planner looks at the
// state each time and must be idempotent.
package control

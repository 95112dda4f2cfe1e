// Package compat tries every swarm-related command and flag of the installed
// docker CLI and writes docs/compatibility.md from what it saw.
//
// The list of commands and flags is the CLI's own --help, so that a new flag
// shows as untested rather than not at all. A check is a few shell lines and one
// line whose output has to be what it should be: it looks at the effect (the
// spec that is stored, the container that runs), never at an exit code alone.
// The same checks must all hold on Docker's own swarm mode; that is what makes
// them a measure.
//
// It reads and writes no tables. Invariants: each check is about one flag of one
// command or the bare command; what a check makes is removed after it. A caller
// may not assume that the document of one CLI version is that of another: it
// names the version it was made with.
package compat

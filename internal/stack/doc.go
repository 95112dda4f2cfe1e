// Package stack turns a Compose project into what a cluster is asked for: networks, secrets, configs and services, as
// docker stack deploy would ask for them, and says what it could not turn.
//
// It is pure: a project in, specs and findings out; it reads and writes no table. Invariants: for a file that docker stack
// deploy understands the specs are those it posts, field for field, so that a stack changes hands without a task being
// replaced (depends_on, which that leaves out, becomes labels, for which none is either; build, which it leaves out, is the
// caller's to carry out); nothing a file asks for is left out without a finding. A secret's or config's name carries a digest
// of its content, unless the file names it.
//
// Callers may not assume that ids are filled in: references to secrets, configs and networks are names (package plan knows
// the cluster); nor that a service which is built names its image: what that is called in the cluster's registry is not in
// the files. Nor may they deploy a stack with a finding that is refused: its specs are incomplete.
package stack

// Package translate turns a task into what the engine is asked to create: the container's configuration, its host
// configuration and its network endpoints, as Docker's own swarm agent maps them.
//
// It is pure: it reads and writes no table, no file and no socket. Invariants: a field of the spec either reaches the
// engine or [Container] refuses the task with a sentence that names it; the labels that mark a task's container win over
// the user's; the spec it is given is never changed.
//
// Callers may not assume that the engine accepts the result: what only the engine can judge (a missing bind source, an
// unknown sysctl) is left to it, as it has the better words.
package translate

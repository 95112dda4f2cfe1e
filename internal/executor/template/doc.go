// Package template expands the templates in a service's spec and in the payloads of configs and secrets, as Docker's
// swarm mode does and in its words. The package and its types are called as Docker's: their names stand in the errors of
// text/template, which users search for.
//
// It is pure: it reads and writes no table. Invariants: [Container] expands hostname, values of environment variables and
// strings of mounts, and nothing else; it changes no spec it is given; the functions env, secret and config exist in
// payloads alone, and give what the task's own references name.
//
// Callers may not assume that a spec which expanded once does so with other values: a template may fail on what it reads.
package template

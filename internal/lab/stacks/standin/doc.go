// Command standin is the one program of all images the stacks of testdata/stacks name: no image is pulled in tests, and
// what a proxy, an agent, a queue or a cron helper does with the cluster takes a few lines. Its first argument says what
// it is (`serve`, `proxy`, `worker`, `cron`, `ship`, `collect`, `wait`, `exit`), or what a test wants to know from
// inside a container (`lookup`, `get`, `each`, `cat`, `env`, `docker` …).
//
// Called by another name it is that program, as far as Compose files need it: a check whether a server answers, a tool that
// prepares something and ends, or else a server on all the ports that the images of testdata/projects have.
//
// It uses the standard library only and runs in an image made from scratch. It reads and writes no table. Invariant: a
// role ends at once and with code 0 when it is told to. Callers may not assume that what a role keeps outlives it,
// unless it was given -data.
package main

// Command standin is the one program of all images the stacks of testdata/stacks name: no image is pulled in tests, and
// what a proxy, an agent, a queue or a cron helper does with the cluster takes a few lines. Its first argument says what
// it is (`serve`, `proxy`, `worker`, `cron`, `ship`, `collect`, `wait`, `exit`), or what a test wants to know from
// inside a container (`lookup`, `get`, `each`, `cat`, `env`, `docker` …).
//
// It uses the standard library only and runs in an image made from scratch. It reads and writes no table. Invariant: a
// role ends at once and with code 0 when it is told to. Callers may not assume that what a role keeps outlives it,
// unless it was given -data.
package main

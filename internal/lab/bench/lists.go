package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// What there is to list.
const (
	listNodes    = 10_000
	listServices = 5_000
	listTasks    = 10     // of each service
	listLarge    = 10_000 // of each of the two large ones: wide has a node for each task, dense has listFew
	listFew      = 100
	wide, dense  = "wide", "dense"
)

// ListConfig describes one run of Lists.
type ListConfig struct {
	Rounds   int
	Commands []string // the docker commands to ask with
	Log      io.Writer
}

// ListResult is what one list takes. The seconds are medians.
type ListResult struct {
	Work     string  `json:"work"`
	Docker   string  `json:"docker"`    // the command's version
	Skep     float64 `json:"skep_s"`    // until the command has printed everything
	Ready    float64 `json:"ready_s"`   // as long by a server that has the same answers ready
	Server   float64 `json:"server_s"`  // processor time that skep's API takes
	Command  float64 `json:"command_s"` // processor time that the docker command takes
	Requests int     `json:"requests"`
	Bytes    int64   `json:"bytes"` // of the answers
}

// listing is one command line.
type listing struct {
	work  string
	args  []string
	env   []string
	lines int // it prints at least
}

func listingsAtSize() []listing {
	service := func(name string) []string { return []string{"service", "ps", name} }
	return []listing{
		{"service ls, 5,000 services", []string{"service", "ls"}, nil, listServices},
		{"service ls, API 1.40", []string{"service", "ls"}, []string{"DOCKER_API_VERSION=1.40"}, listServices},
		{"service ls --filter name", []string{"service", "ls", "--filter", "name=web-77"}, nil, 2},
		{"node ls, 10,000 nodes", []string{"node", "ls"}, nil, listNodes},
		{"service ps, 10,000 tasks on 100 nodes", service(dense), nil, listLarge},
		{"service ps, 10,000 tasks on 10,000 nodes", service(wide), nil, listLarge},
		{"the same, --no-resolve", append(service(wide), "--no-resolve"), nil, listLarge},
		{"node ps, a node of 108 tasks", []string{"node", "ps", "node-7"}, nil, 100},
		{"info, 10,000 nodes", []string{"info"}, nil, 10},
	}
}

// Lists measures long lists by the docker command: against skep's API over a state in memory, and against a server that has the
// same answers ready, in turns. What it cannot tell is what a manager adds by asking the others whether its state is fresh.
func Lists(ctx context.Context, cfg ListConfig) (_ []ListResult, err error) {
	dir, err := os.MkdirTemp("", "sl")
	if err != nil {
		return nil, fmt.Errorf("making a directory for the lists: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	l, err := newLister(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	var results []ListResult
	for _, command := range cfg.Commands {
		version, err := exec.CommandContext(ctx, command, "--version").Output()
		if err != nil {
			return nil, fmt.Errorf("asking %s for its version: %w", command, err)
		}
		for _, what := range listingsAtSize() {
			r, err := l.measure(ctx, command, what, cfg.Rounds)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", command, what.work, err)
			}
			r.Docker, _, _ = strings.Cut(strings.TrimPrefix(string(version), "Docker version "), ",")
			r.Docker, _, _ = strings.Cut(r.Docker, "+")
			results = append(results, r)
			_, _ = fmt.Fprintf(cfg.Log, "%-10s %-42s skep %.3f s, ready %.3f s\n", r.Docker, r.Work, r.Skep, r.Ready)
		}
	}
	return results, nil
}

// measure runs a command line against both servers, in turns; the first time, which also makes the answers ready, does not count.
func (l *lister) measure(ctx context.Context, command string, what listing, rounds int) (ListResult, error) {
	r := ListResult{Work: what.work}
	var skep, ready, server, own []float64
	for i := range rounds + 1 {
		l.count.reset()
		before := processorTime()
		one, err := l.run(ctx, command, what, l.skep)
		if err != nil {
			return r, err
		}
		spent := processorTime() - before
		r.Requests, r.Bytes = l.count.requests, l.count.bytes
		other, err := l.run(ctx, command, what, l.ready)
		if err != nil {
			return r, err
		}
		if i > 0 {
			skep, ready = append(skep, one.took), append(ready, other.took)
			server, own = append(server, spent), append(own, one.processor)
		}
	}
	r.Skep, r.Ready, r.Server, r.Command = median(skep), median(ready), median(server), median(own)
	return r, nil
}

// spell is what a command took, in seconds.
type spell struct{ took, processor float64 }

func (l *lister) run(ctx context.Context, command string, what listing, host string) (spell, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, what.args...)
	cmd.Env = append(os.Environ(), append(what.env, "DOCKER_HOST=unix://"+host, "HOME="+l.dir, "DOCKER_CONFIG="+l.dir, "DOCKER_CLI_HINTS=false")...)
	var stdout lineCounter
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return spell{}, fmt.Errorf("docker %s: %w: %s", strings.Join(what.args, " "), err, stderr.Bytes())
	}
	took := time.Since(start).Seconds()
	if stdout.lines < what.lines {
		return spell{}, fmt.Errorf("docker %s printed %d lines, not %d: %s", strings.Join(what.args, " "), stdout.lines, what.lines, stderr.Bytes())
	}
	return spell{took, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()}, nil
}

// lineCounter counts the lines written to it.
type lineCounter struct{ lines int }

func (c *lineCounter) Write(p []byte) (int, error) {
	c.lines += bytes.Count(p, []byte("\n"))
	return len(p), nil
}

// processorTime is what this process has taken, in seconds.
func processorTime() float64 {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
}

// ListTable is the results of Lists.
func ListTable(results []ListResult) string {
	var b strings.Builder
	b.WriteString("| docker command                            | version    |  skep s | ready s | skep/ready | API's CPU s | docker's CPU s | requests |    MB |\n")
	b.WriteString("| ----------------------------------------- | ---------- | ------: | ------: | ---------: | ----------: | -------------: | -------: | ----: |\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %-41s | %-10s | %s | %s | %s | %s | %s | %8d | %5.1f |\n", r.Work, r.Docker, seconds(r.Skep, 7), seconds(r.Ready, 7),
			ratio(r.Skep, r.Ready, 10), seconds(r.Server, 11), seconds(r.Command, 14), r.Requests, float64(r.Bytes)/1e6)
	}
	return b.String()
}

// WriteLists writes the results of Lists for machines.
func WriteLists(path string, results []ListResult) error { return writeJSON(path, results) }

// DockerCommands are those of this machine, Debian's first.
func DockerCommands() []string {
	var found []string
	for _, path := range []string{"/usr/bin/docker", "/usr/local/bin/docker"} {
		if _, err := os.Stat(path); err == nil {
			found = append(found, path)
		}
	}
	return found
}

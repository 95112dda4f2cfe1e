package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/skep-org/skep/internal/lab/bench"
)

func measureLists(ctx context.Context, cfg bench.ListConfig, out, doc string) error {
	if len(cfg.Commands) == 0 {
		return errors.New("there is no docker command to list with: install docker.io")
	}
	results, err := bench.Lists(ctx, cfg)
	if err != nil {
		return err
	}
	about := fmt.Sprintf("Medians of %d rounds in one run, in turns, on %s: docker commands against skep's API over a state in memory of 10,000 nodes, "+
		"5,000 services of ten tasks and two of 10,000, and against a server that has the same bytes ready, so that what is left is the docker command's own time. "+
		"\"API's CPU\" is the processor time that skep takes to answer all of a command's requests, \"docker's CPU\" that of the command: it decodes, sorts and "+
		"prints. `service ps` asks for the tasks once and then for each node by itself; with API 1.40 and before, `service ls` asks for all tasks and all nodes. "+
		"A manager of several adds to each request the time it takes to ask the others whether its state is the newest.", cfg.Rounds, machine())
	return publish(bench.Listings(), about, bench.ListTable(results), doc, func() error { return bench.WriteLists(out, results) })
}

// writeStages puts what `go test -bench` said, in files, into the document.
func writeStages(files []string, out, doc string) error {
	var said bytes.Buffer
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("reading benchmarks: %w", err)
		}
		said.Write(text)
	}
	benchmarks, err := bench.ReadGoBenchmarks(&said, "the output of go test")
	if err != nil {
		return err
	}
	if len(benchmarks) == 0 {
		return errors.New("there are no benchmarks in what go test wrote")
	}
	about := fmt.Sprintf("Medians of what `go test -bench` said, on %s. Nodes, every third of them with one more plugin, and tasks that wait are in the store; what is "+
		"measured is the scheduler's stage from its first look until all have a node, each batch's way through the log's form included. Tasks are one-off, a service "+
		"each, or, grouped, of services of 1,000. swarmkit's figures are those of its own benchmark of the same work on a machine of this kind, measured once, not in this run.", machine())
	return publish(bench.Stages(), about, bench.StageTable(benchmarks), doc, func() error { return bench.WriteGoBenchmarks(out, benchmarks) })
}

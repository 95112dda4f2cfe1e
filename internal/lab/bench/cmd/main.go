package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/skep-org/skep/internal/lab/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	skep := flag.String("skep", "bin/skep", "the skep binary; empty measures Docker's swarm mode and the engine alone")
	rounds := flag.Int("rounds", 5, "rounds; a figure is the median over them")
	out := flag.String("json", "bench-results.json", "where to write the results for machines; empty: nowhere")
	doc := flag.String("doc", "docs/benchmarks.md", "the document whose section to write; empty: none")
	flag.Parse()
	if *skep != "" {
		path, err := filepath.Abs(*skep)
		if err != nil {
			return fmt.Errorf("finding the skep binary %q: %w", *skep, err)
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("there is no skep binary to measure, build it first: %w", err)
		}
		*skep = path
	}
	results, err := bench.Run(ctx, bench.Config{Skep: *skep, Rounds: *rounds, Log: os.Stderr})
	if err != nil {
		return err
	}
	fmt.Print(bench.Table(results))
	if *out != "" {
		if err := bench.WriteJSON(*out, results); err != nil {
			return err
		}
	}
	if *doc == "" {
		return nil
	}
	about := fmt.Sprintf("Medians of %d rounds on one engine, the sides taking turns, on a machine with %d processors (%s/%s). "+
		"\"Engine alone\" is the same number of containers started, replaced or removed through the engine's API, ten at a time. "+
		"Seconds depend on the machine; the ratios are what to look at.", *rounds, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	return bench.WriteSection(*doc, about, results)
}

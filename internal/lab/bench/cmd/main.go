package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/skep-org/skep/internal/lab/bench"
	"github.com/skep-org/skep/internal/lab/hosts"
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
	failover := flag.Bool("failover", false, "measure the loss of hosts instead, on labs of five; a leader is lost twice as often as there are rounds")
	network := flag.Bool("network", false, "measure ways through the network instead, three times as many pairs as there are rounds")
	spread := flag.Bool("spread", false, "measure a service's tasks on an overlay network over three workers instead")
	registry := flag.Bool("registry", false, "measure an image's way to five hosts instead, over links of -rate; as many images of each side as there are rounds")
	lists := flag.Bool("lists", false, "measure long lists by the docker commands of this machine instead")
	stages := flag.Bool("stages", false, "read what go test -bench said instead; arguments: files")
	rate := flag.String("rate", "200mbit", "what the hosts' links carry each way with -registry")
	scale := flag.Bool("scale", false, "measure managers of clusters of -sizes with simulated engines instead")
	sizes := flag.String("sizes", "100x10000,1000x100000,10000x1000000", "agents and tasks of each cluster of -scale")
	reports := flag.String("reports", "", "with -scale, files that skep sim --report wrote, with commas between: show these, measure nothing")
	limit := flag.Duration("limit", 20*time.Minute, "how long one cluster of -scale may take")
	plain := flag.Bool("plain-registry", false, "serve a plain registry instead; arguments: address and directory")
	whoami := flag.String("whoami", "bin/whoami", "the server that -network asks and -registry runs")
	out := flag.String("json", "", "where to write the results for machines; bench-results.json, or failover-results.json and so on")
	doc := flag.String("doc", "docs/benchmarks.md", "the document whose section to write; empty: none")
	flag.Parse()
	if *plain {
		return bench.ServePlain(ctx, flag.Arg(0), flag.Arg(1))
	}
	if *lists {
		return measureLists(ctx, bench.ListConfig{Rounds: *rounds, Commands: bench.DockerCommands(), Log: os.Stderr}, cmp.Or(*out, "lists-results.json"), *doc)
	}
	if *stages {
		return writeStages(flag.Args(), cmp.Or(*out, "stages-results.json"), *doc)
	}
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
	if *failover {
		return measureLosses(ctx, *skep, *rounds, cmp.Or(*out, "failover-results.json"), *doc)
	}
	if *network {
		return measurePaths(ctx, bench.NetworkConfig{Skep: *skep, Whoami: *whoami, Pairs: 3 * *rounds, Log: os.Stderr}, cmp.Or(*out, "network-results.json"), *doc)
	}
	if *spread {
		return measureTasks(ctx, bench.SpreadConfig{Skep: *skep, Rounds: *rounds, Log: os.Stderr}, cmp.Or(*out, "spread-results.json"), *doc)
	}
	if *scale {
		if *reports != "" {
			list, err := bench.ReadScaled(strings.Split(*reports, ","))
			if err != nil {
				return err
			}
			return writeSizes(list, cmp.Or(*out, "scale-results.json"), *doc)
		}
		list, err := bench.ParseSizes(*sizes)
		if err != nil {
			return err
		}
		return measureSizes(ctx, bench.ScaleConfig{Skep: *skep, Sizes: list, Limit: *limit, Log: os.Stderr}, cmp.Or(*out, "scale-results.json"), *doc)
	}
	if *registry {
		return measurePulls(ctx, bench.RegistryConfig{Skep: *skep, Whoami: *whoami, Rounds: *rounds, Log: os.Stderr}, *rate, cmp.Or(*out, "registry-results.json"), *doc)
	}
	results, err := bench.Run(ctx, bench.Config{Skep: *skep, Rounds: *rounds, Log: os.Stderr})
	if err != nil {
		return err
	}
	about := fmt.Sprintf("Medians of %d rounds on one engine, the sides taking turns, on %s. "+
		"\"Engine alone\" is the same number of containers started, replaced or removed through the engine's API, ten at a time; "+
		"for the lists it is a server that has the whole answer ready in memory, so that what is left is the docker command's own time. "+
		"Seconds depend on the machine; the ratios are what to look at.", *rounds, machine())
	return publish(bench.OneNode(), about, bench.Table(results), *doc, func() error { return bench.WriteJSON(cmp.Or(*out, "bench-results.json"), results) })
}

func measureLosses(ctx context.Context, skep string, rounds int, out, doc string) error {
	cfg := bench.FailoverConfig{Skep: skep, Leaders: 2 * rounds, Workers: rounds, Replicas: 10, Scale: 20, Log: os.Stderr}
	results, err := bench.Failover(ctx, cfg)
	if err != nil {
		return err
	}
	about := fmt.Sprintf("Medians of %d losses of the leader and %d of a worker on each side, in one run, on %s: three managers and two workers "+
		"made by skep lab, each with a Docker Engine; the sides take turns. The leader's power fails while a service grows from %d to %d tasks "+
		"and a user writes through another manager without a pause: what counts is the longest time between two acknowledged writes. A worker's "+
		"power fails under a service of %d tasks: what counts is the time until as many containers run on the other hosts, by their engines' word.",
		cfg.Leaders, cfg.Workers, machine(), cfg.Replicas, cfg.Scale, cfg.Replicas)
	return publish(bench.ManyNodes(), about, bench.LossTable(results), doc, func() error { return bench.WriteJSON(out, results) })
}

func measureTasks(ctx context.Context, cfg bench.SpreadConfig, out, doc string) error {
	results, err := bench.Spread(ctx, cfg)
	if err != nil {
		return err
	}
	about := bench.AboutSpread(cfg.Rounds, machine())
	return publish(bench.ManyTasks(), about, bench.SpreadTable(results), doc, func() error { return bench.WriteSpread(out, results) })
}

func measurePaths(ctx context.Context, cfg bench.NetworkConfig, out, doc string) error {
	var err error
	if cfg.Whoami, err = server(cfg.Whoami); err != nil {
		return err
	}
	full, change, err := bench.Programming(ctx)
	if err != nil {
		return fmt.Errorf("programming a node: %w", err)
	}
	programmed := fmt.Sprintf("A node's kernel held a network of 1,000 services with ten tasks each, all of them published, for ten containers "+
		"after %.2f s, and followed a task that stopped serving within %.1f ms (median).", full.Seconds(), 1000*change.Seconds())
	fmt.Println(programmed)
	paths, err := bench.Networks(ctx, cfg)
	if err != nil {
		return err
	}
	about := fmt.Sprintf("Medians of %d pairs in one run, second by second in turns, on %s, on hosts made by skep lab: one manager and two workers "+
		"with skep, and as many in Docker's swarm mode. The server and who asks are on different hosts. Connections are made anew for each request, by eight "+
		"askers at a time; requests go over eight connections that are kept; throughput is that of two connections. The ratio is the median of the "+
		"pairs' own ratios. What enters at another node passes a second host's packet filter and is carried to the task's node and back in VXLAN: "+
		"that is what bounds it. Rates depend on the machine, and everything here shares its processors.", cfg.Pairs, machine())
	return publish(bench.Paths(), about+"\n\n"+programmed, bench.PathTable(paths), doc, func() error { return bench.WritePaths(out, paths) })
}

// server is the path of the web server that hosts run.
func server(whoami string) (string, error) {
	path, err := filepath.Abs(whoami)
	if err != nil {
		return "", fmt.Errorf("finding the server %q: %w", whoami, err)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("there is no server to ask, build it first: %w", err)
	}
	return path, nil
}

// imageSize is that of the image whose way to the hosts is measured.
const imageSize = 200 << 20

func measurePulls(ctx context.Context, cfg bench.RegistryConfig, rate, out, doc string) (err error) {
	if cfg.Whoami, err = server(cfg.Whoami); err != nil {
		return err
	}
	if cfg.Rate, err = hosts.ParseBitrate(rate); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program, which is the plain registry too: %w", err)
	}
	cfg.Plain, cfg.Size, cfg.Replicas = []string{self, "-plain-registry"}, imageSize, 10
	p, err := bench.Registries(ctx, cfg)
	if err != nil {
		return err
	}
	about := fmt.Sprintf("Medians of %d images on each side in one run, the sides taking turns, on %s, on five hosts made by skep lab whose links carry %s "+
		"each way (tc tbf). An image of %d MB that cannot be compressed is pushed on one host, and a service of %d tasks run on all five: from the "+
		"cluster's registry, and from a plain one (the same library, with files) on another one of the hosts, which the engines are told to trust. "+
		"What counts is the time until all the tasks run, by their engines' word; unpacking, which is the same on both sides, is in it. "+
		"In the end the host that pushed loses power, and a sixth, new one runs the image.", cfg.Rounds, machine(), cfg.Rate, imageSize>>20, cfg.Replicas)
	return publish(bench.Registry(), about, bench.PullTable(p), doc, func() error { return bench.WritePulls(out, p) })
}

func machine() string {
	return fmt.Sprintf("a machine with %d processors (%s/%s)", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
}

// publish prints a table, saves the results for machines, and puts the table in its section of the document, if one is named.
func publish(section bench.Section, about, table, doc string, save func() error) error {
	fmt.Print(table)
	if err := save(); err != nil || doc == "" {
		return err
	}
	return section.Write(doc, about, table)
}

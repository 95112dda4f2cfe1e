package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/api/events"
	"github.com/skep-org/skep/internal/api/proxy"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/docker"
	"github.com/skep-org/skep/internal/executor/socketmount"
	"github.com/skep-org/skep/internal/manager"
	"golang.org/x/sync/errgroup"
)

// engineWait is how long a daemon that starts waits for its engine, which may be starting too.
const engineWait = 60 * time.Second

// engineTry is how long it waits for one answer of the engine's; after that it asks again. An engine with a thousand
// containers takes seconds to tell about itself.
const engineTry = 15 * time.Second

// Run runs a daemon until ctx ends. Containers run on afterwards.
func Run(ctx context.Context, cfg Config) (err error) {
	if cfg.TakeSocket {
		cfg.Hosts = append(cfg.Hosts, "unix://"+DockerSocket)
	}
	logger := newLogger(cfg)
	lock, err := lockDataDir(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	e := env.Real()
	// The engine may be waiting for its network plugin, with containers it is to start.
	o := openOverlays(cfg, e, logger)
	defer func() { err = errors.Join(err, o.close()) }()
	switch ms, err := readMembership(cfg.DataDir); {
	case err != nil:
	case ms != nil:
		o.begin(*ms)
	default:
		o.idle(ctx)
	}
	engine, err := proxy.NewEngine(cfg.Engine)
	if err != nil {
		return err
	}
	defer engine.Close()
	// The sockets are open before engine and cluster answer: clients wait instead of being refused. Systemd starts the
	// engine when they are.
	listeners, err := open(cfg)
	if err != nil {
		return err
	}
	defer func() {
		for _, l := range listeners {
			_ = l.Close() // those that were served are closed already
		}
	}()
	notify(logger, daemon.SdNotifyReady)
	if err := awaitEngine(ctx, cfg, e, logger, engineTry); err != nil {
		return err
	}
	c := &cluster{
		cfg: cfg, env: e, sockets: sockets(cfg, listeners), ring: events.NewRing(), logger: logger, overlays: o,
		exclude: func(ctx context.Context) []netip.Prefix { return engineNetworks(ctx, cfg.Engine, logger) },
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.resume(ctx); err != nil {
		return fmt.Errorf("take part in the cluster again: %w", err)
	}
	srv := api.New(api.Options{
		Cluster: c, Proxy: proxy.New(engine, logger), Logs: c, Events: c.ring, Env: e,
		Sockets: c.sockets, Logger: logger, Version: cfg.Version, Planners: manager.Planners,
	})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serve(ctx, listeners, logger, srv) })
	if cfg.MetricsAddr != "" {
		g.Go(func() error { return serveMetrics(ctx, cfg.MetricsAddr, cfg.Version, c) })
	}
	return g.Wait()
}

// awaitEngine returns when the engine answers and is fit to be used. Each question is given so long to be answered.
func awaitEngine(ctx context.Context, cfg Config, e env.Env, logger *slog.Logger, try time.Duration) (err error) {
	x, err := docker.New(docker.Options{Host: cfg.Engine, Env: e})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	ctx, cancel := context.WithTimeout(ctx, engineWait)
	defer cancel()
	for told := false; ; {
		err := checkEngine(ctx, x, try)
		if !errors.Is(err, executor.ErrUnavailable) {
			return err
		}
		if !told {
			logger.Info("waiting for the Docker Engine", "engine", cfg.Engine, "err", err)
			told = true
		}
		retry, stop := e.NewTimer(200 * time.Millisecond)
		select {
		case <-retry:
		case <-ctx.Done():
			stop()
			return fmt.Errorf("the Docker Engine at %s does not answer; start it, or name another with --engine: %w", cfg.Engine, err)
		}
	}
}

func checkEngine(ctx context.Context, x *docker.Executor, try time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, try)
	defer cancel()
	return x.CheckEngine(ctx)
}

// sockets says what a mount of Docker's socket is given: the first Unix socket the API is served at, whoever made it.
func sockets(cfg Config, listeners []net.Listener) socketmount.Rewriter {
	if cfg.DockerSocketMounts == MountsGetEngine {
		return socketmount.Rewriter{Socket: strings.TrimPrefix(cfg.Engine, "unix://")}
	}
	for _, l := range listeners {
		if l.Addr().Network() == "unix" {
			return socketmount.Rewriter{Socket: l.Addr().String()}
		}
	}
	return socketmount.Rewriter{}
}

// engineNetworks are the subnets of the engine's own networks: addresses in them are not the host's.
func engineNetworks(ctx context.Context, host string, logger *slog.Logger) []netip.Prefix {
	cli, err := client.New(client.WithHost(host))
	if err != nil {
		return nil
	}
	defer cli.Close()
	list, err := cli.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		logger.Warn("the engine's networks cannot be listed", "err", err)
		return nil
	}
	var out []netip.Prefix
	for _, n := range list.Items {
		for _, c := range n.IPAM.Config {
			out = append(out, c.Subnet)
		}
	}
	return out
}

func newLogger(cfg Config) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		level = slog.LevelInfo // Validate has refused anything else
	}
	opts := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, opts))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts))
}

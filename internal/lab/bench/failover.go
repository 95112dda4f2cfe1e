package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/hosts"
)

// The losses, by the names the results carry.
const (
	LeaderLoss = "the leader loses power: until a write works"
	WorkerLoss = "a worker loses power: until its tasks run elsewhere"
)

// FailoverConfig describes one run of Failover.
type FailoverConfig struct {
	Skep            string // the skep binary, which also makes the hosts of the other side
	Leaders         int    // losses of a leader on each side; a figure is their median
	Workers         int    // losses of a worker on each side
	Replicas, Scale int    // tasks of the service on five hosts; what it is scaled to while the leader is lost
	Log             io.Writer
}

// Failover measures what losses of hosts cost the users of skep and of Docker's swarm mode, on hosts made in the same way.
// The sides take turns, each twice.
func Failover(ctx context.Context, cfg FailoverConfig) ([]Result, error) {
	took := map[string]map[string][]float64{LeaderLoss: {}, WorkerLoss: {}}
	const turns = 2
	for turn := range turns {
		for _, side := range []string{Skep, Swarm} {
			l := losses{cfg: cfg, side: side, took: took}
			share := func(n int) int { return (n + turn) / turns }
			if err := l.run(ctx, share(cfg.Leaders), share(cfg.Workers)); err != nil {
				return nil, fmt.Errorf("turn %d, %s: %w", turn+1, side, err)
			}
		}
	}
	var list []Result
	for _, work := range []string{LeaderLoss, WorkerLoss} {
		list = append(list, Result{Work: work, Skep: median(took[work][Skep]), Peer: median(took[work][Swarm])})
	}
	return list, nil
}

// losses is one turn of one side.
type losses struct {
	cfg    FailoverConfig
	side   string
	took   map[string]map[string][]float64
	lab    *hosts.Lab
	writes int
}

func (l *losses) run(ctx context.Context, leaders, workers int) (err error) {
	dir, err := os.MkdirTemp("", "sf")
	if err != nil {
		return fmt.Errorf("making a directory for the hosts: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	l.lab, err = hosts.Up(ctx, hosts.Config{
		Dir: filepath.Join(dir, "lab"), Managers: 3, Workers: 2, Program: l.cfg.Skep, DockerSwarm: l.side == Swarm,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.lab.Down(context.WithoutCancel(ctx))) }()
	for _, loss := range []struct {
		work  string
		times int
		once  func(context.Context, int) (time.Duration, error)
	}{{LeaderLoss, leaders, l.leader}, {WorkerLoss, workers, l.worker}} {
		for i := range loss.times {
			took, err := l.measure(ctx, i, loss.once)
			if err != nil {
				return fmt.Errorf("%s: %w", loss.work, err)
			}
			l.took[loss.work][l.side] = append(l.took[loss.work][l.side], took.Seconds())
			_, _ = fmt.Fprintf(l.cfg.Log, "%-5s  %s: %.3f s\n", l.side, loss.work, took.Seconds())
		}
	}
	return nil
}

// lossLimit bounds one loss with all that is around it.
const lossLimit = 5 * time.Minute

// measure makes a service on a whole cluster, lets a loss happen, and waits until the cluster is whole again.
func (l *losses) measure(ctx context.Context, i int, once func(context.Context, int) (time.Duration, error)) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, lossLimit)
	defer cancel()
	via := l.lab.Hosts()[0].Docker()
	replicas := uint64(l.cfg.Replicas)
	made, err := via.ServiceCreate(ctx, client.ServiceCreateOptions{Spec: swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: "bench"},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: hosts.WhoamiImage}},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}},
	}})
	if err != nil {
		return 0, fmt.Errorf("making the service: %w", err)
	}
	if err := running(ctx, l.cfg.Replicas, l.lab.Hosts()); err != nil {
		return 0, err
	}
	if took, err = once(ctx, i); err != nil {
		return 0, err
	}
	if err := l.whole(ctx); err != nil {
		return 0, err
	}
	if _, err := via.ServiceRemove(ctx, made.ID, client.ServiceRemoveOptions{}); err != nil {
		return 0, fmt.Errorf("removing the service: %w", err)
	}
	return took, running(ctx, 0, l.lab.Hosts())
}

// worker cuts the power of one worker after the other.
func (l *losses) worker(ctx context.Context, i int) (time.Duration, error) {
	all := l.lab.Hosts()
	lost := 3 + i%2
	left := append(append([]*hosts.Host(nil), all[:lost]...), all[lost+1:]...)
	began := time.Now()
	if err := all[lost].Kill(ctx); err != nil {
		return 0, err
	}
	err := running(ctx, l.cfg.Replicas, left)
	took := time.Since(began)
	return took, errors.Join(err, all[lost].Start(ctx))
}

// leader cuts the leader's power while the service grows, and a user writes through another manager all the time. The
// loss is the longest time between two of his writes that were acknowledged.
func (l *losses) leader(ctx context.Context, _ int) (time.Duration, error) {
	leader, other, err := l.leads(ctx)
	if err != nil {
		return 0, err
	}
	killed, longest := make(chan struct{}), make(chan time.Duration, 1)
	go func() { longest <- l.write(ctx, other.Docker(), killed) }()
	err = l.scale(ctx, other.Docker())
	if err == nil {
		err = leader.Kill(ctx)
	}
	close(killed)
	took := <-longest
	if err != nil {
		return 0, err
	}
	if err := leader.Start(ctx); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("no write was acknowledged after the loss of the leader: %w", err)
	}
	return took, running(ctx, l.cfg.Scale, l.lab.Hosts())
}

// write makes a config at a time until one is acknowledged that was sent after the kill.
func (l *losses) write(ctx context.Context, via *client.Client, killed <-chan struct{}) (longest time.Duration) {
	const (
		attempt = time.Second // a request lost with the leader is sent again after it
		pause   = 20 * time.Millisecond
	)
	last := time.Now()
	for ctx.Err() == nil {
		after := false
		select {
		case <-killed:
			after = true
		default:
		}
		l.writes++
		call, cancel := context.WithTimeout(ctx, attempt)
		_, err := via.ConfigCreate(call, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
			Annotations: swarm.Annotations{Name: "write-" + strconv.Itoa(l.writes)}, Data: []byte("x"),
		}})
		cancel()
		if err == nil {
			now := time.Now()
			longest, last = max(longest, now.Sub(last)), now
			if after {
				return longest
			}
		}
		time.Sleep(pause)
	}
	return longest
}

// scale changes the service's replicas.
func (l *losses) scale(ctx context.Context, via *client.Client) error {
	r, err := via.ServiceInspect(ctx, "bench", client.ServiceInspectOptions{})
	if err != nil {
		return fmt.Errorf("reading the service: %w", err)
	}
	spec, replicas := r.Service.Spec, uint64(l.cfg.Scale)
	spec.Mode.Replicated.Replicas = &replicas
	if _, err := via.ServiceUpdate(ctx, r.Service.ID, client.ServiceUpdateOptions{Version: r.Service.Version, Spec: spec}); err != nil {
		return fmt.Errorf("scaling the service: %w", err)
	}
	return nil
}

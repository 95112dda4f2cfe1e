package hosts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// cluster makes the hosts one cluster as a user would: docker swarm init on the first, docker swarm join on the others.
// Managers join one after the other, since each changes who votes; workers at once.
func (l *Lab) cluster(ctx context.Context) error {
	first := l.Hosts()[0]
	began := time.Now()
	if _, err := first.Exec(ctx, "docker", "swarm", "init", "--advertise-addr", first.Address.String(), "--listen-addr", listenAddr(first)); err != nil {
		return err
	}
	l.say("m1: docker swarm init (%s)", since(began))
	for _, h := range l.Hosts()[1:l.cfg.Managers] {
		if err := h.join(ctx, first); err != nil {
			return err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, h := range l.Hosts()[l.cfg.Managers:] {
		g.Go(func() error { return h.join(gctx, first) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return l.agreed(ctx)
}

// join joins a host to the cluster of another, with the role it was made for.
func (h *Host) join(ctx context.Context, via *Host) error {
	began := time.Now()
	token, err := via.Exec(ctx, "docker", "swarm", "join-token", "--quiet", string(h.Role))
	if err != nil {
		return err
	}
	cmd, err := h.Command(ctx, "docker", "swarm", "join", "--token", token, "--advertise-addr", h.Address.String(),
		"--listen-addr", listenAddr(h), listenAddr(via))
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil { // the error leaves the command out: it holds the token
		return fmt.Errorf("docker swarm join on %s: %w: %s", h.Name, err, strings.TrimSpace(string(out)))
	}
	h.lab.say("%s: docker swarm join (%s)", h.Name, since(began))
	return nil
}

func listenAddr(h *Host) string { return fmt.Sprintf("%s:%d", h.Address, clusterPort) }

// answerLimit is how long a manager may take to list the nodes: twice what is promised of a cluster without a leader.
const answerLimit = 10 * time.Second

// agreed waits until every manager says that every node is ready, so that what comes next meets a whole cluster.
func (l *Lab) agreed(ctx context.Context) error {
	for _, h := range l.Hosts()[:l.cfg.Managers] {
		var last string
		var failed error
		err := until(ctx, h.Name+" sees every node ready", func() (bool, error) {
			// An answer may fail while a leader is elected; one that does not come is asked for again.
			asking, cancel := context.WithTimeout(ctx, answerLimit)
			defer cancel()
			last, failed = h.Exec(asking, "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}")
			managers := strings.Count(last, "Reachable") + strings.Count(last, "Leader")
			return strings.Count(last, " Ready") == len(l.Hosts()) && managers == l.cfg.Managers, nil
		})
		if err != nil {
			return errors.Join(fmt.Errorf("%w; it says: %s", err, last), failed)
		}
	}
	return nil
}

// since is a time for people.
func since(began time.Time) string { return time.Since(began).Round(10 * time.Millisecond).String() }

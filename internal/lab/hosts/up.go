package hosts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// Up makes a lab and returns when its hosts are one cluster. The context bounds the making only; end the lab with
// Lab.Down. After an error nothing is left.
func Up(ctx context.Context, cfg Config) (*Lab, error) {
	began := time.Now()
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	l, err := create(cfg)
	if err != nil {
		return nil, err
	}
	if err := l.up(ctx); err != nil {
		l.say("That failed; taking away what was made")
		return nil, errors.Join(fmt.Errorf("making the lab: %w", err), l.Down(context.WithoutCancel(ctx)))
	}
	l.say("The lab is up: %d managers and %d workers in %s", cfg.Managers, cfg.Workers, since(began))
	return l, nil
}

// create writes down what is going to be made.
func create(cfg Config) (*Lab, error) {
	entries, err := os.ReadDir(cfg.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if _, err := os.Stat(stateFile(cfg.Dir)); err == nil {
		return nil, fmt.Errorf("there is a lab in %s already, perhaps the rest of one: end it with skep lab down, or choose another place with --dir", cfg.Dir)
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty and no lab: choose another place with --dir", cfg.Dir)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the lab's directory: %w", err)
	}
	s, err := newState(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.save(); err != nil {
		return nil, fmt.Errorf("keeping the lab's state: %w", err)
	}
	return newLab(cfg, s)
}

func (l *Lab) up(ctx context.Context) error {
	lives := make([]lifeline, len(l.machines))
	var err error
	if lives[0], err = l.boot(ctx, l.machines[0]); err != nil {
		return fmt.Errorf("making the switch: %w", err)
	}
	if l.cfg.Bare {
		if err := l.writeKeys(); err != nil {
			return fmt.Errorf("making the hosts' keys: %w", err)
		}
	}
	l.say("Starting %d hosts on %s", len(l.Hosts()), l.cfg.Subnet)
	g, gctx := errgroup.WithContext(ctx)
	for i, h := range l.hosts[1:] {
		g.Go(func() error {
			life, err := h.first(gctx)
			lives[i+1] = life
			if err != nil {
				return fmt.Errorf("starting %s: %w", h.Name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if !l.cfg.NoCluster {
		if err := l.cluster(ctx); err != nil {
			return err
		}
	}
	var errs []error
	for _, life := range lives {
		errs = append(errs, l.keep(life))
	}
	return errors.Join(errs...)
}

// first is a host's first start.
func (h *Host) first(ctx context.Context) (lifeline, error) {
	began := time.Now()
	life, err := h.start(ctx)
	if err != nil || !h.m.host() {
		return life, err
	}
	h.lab.say("%s: %s answers at %s (%s)", h.Name, h.kind(), h.Address, since(began))
	if h.lab.cfg.Bare {
		return life, nil
	}
	return life, h.LoadImages(ctx)
}

// kind says what answers on a host.
func (h *Host) kind() string {
	switch {
	case h.lab.cfg.DockerSwarm:
		return "Docker Engine"
	case h.lab.cfg.Bare:
		return "SSH"
	}
	return "Docker Engine with skep"
}

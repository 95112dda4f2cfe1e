package hosts

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// offLimit bounds what the kernel does on its own time after a kill; a loaded machine may take seconds to write back a
// container's files.
const offLimit = 30 * time.Second

// Kill is a power loss: first the link is cut, so that nothing on the network learns of it, then everything on the host
// is killed at once. Its disk stays as it was. A host that is off stays so.
func (h *Host) Kill(ctx context.Context) error {
	return h.off(ctx, "killing", func(ctx context.Context, p *process) error {
		return errors.Join(h.lab.cut(ctx, h.m), p.signal(syscall.SIGKILL))
	})
}

// Stop is an orderly shutdown: the daemon, then the engine with its containers, are told to end.
func (h *Host) Stop(ctx context.Context) error {
	end := syscall.SIGTERM
	if h.lab.cfg.Systemd {
		end = guest.PowerOff
	}
	return h.off(ctx, "stopping", func(ctx context.Context, p *process) error {
		if err := errors.Join(p.signal(end), h.freeze(ctx, false)); err != nil {
			return err
		}
		return p.gone(ctx)
	})
}

// off turns a host off in some way and cleans up behind it.
func (h *Host) off(ctx context.Context, doing string, how func(context.Context, *process) error) error {
	err := h.locked(func() error {
		p, err := hold(h.dir())
		if err != nil {
			return err
		}
		if p != nil {
			defer func() { _ = p.Release() }()
			if err := how(ctx, p); err != nil {
				return err
			}
		}
		return h.clean(ctx, p)
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", doing, h.Name, err)
	}
	return nil
}

// clean waits for a dying host's last process and removes its link and control groups, which a power loss would not
// have left either.
func (h *Host) clean(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, offLimit)
	defer cancel()
	if err := h.freeze(ctx, false); err != nil { // what is frozen cannot die
		return err
	}
	if p != nil {
		if err := p.gone(ctx); err != nil {
			return err
		}
	}
	if err := h.lab.unplug(ctx, h.m); err != nil {
		return err
	}
	return removeCgroups(ctx, h.lab.cgroup()+"/"+h.Name)
}

// removeCgroups waits for the kernel to let go of them.
func removeCgroups(ctx context.Context, cgroup string) error {
	var last error
	err := until(ctx, "its control groups are free", func() (bool, error) {
		last = guest.RemoveCgroups(cgroup)
		return last == nil, nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}

// Start turns on a host that is off and returns when its engine and daemon answer. It has the data of before. The
// context bounds the start; after an error the host is off.
func (h *Host) Start(ctx context.Context) error {
	err := h.locked(func() error {
		if on, err := h.Running(); on || err != nil {
			return errors.Join(errors.New("it is on already"), err)
		}
		life, err := h.start(ctx)
		if err != nil {
			return err
		}
		return h.lab.keep(life)
	})
	if err != nil {
		return fmt.Errorf("starting %s: %w", h.Name, err)
	}
	return nil
}

func (h *Host) start(ctx context.Context) (life lifeline, err error) {
	life, err = h.lab.boot(ctx, h.m)
	if err != nil || !h.m.host() {
		return life, err
	}
	if err := h.ready(ctx); err != nil {
		return life, errors.Join(err, life.Close())
	}
	return life, nil
}

package crash

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

const (
	callLimit   = 15 * time.Second // no call may take longer, however busy the machine
	retryEvery  = 20 * time.Millisecond
	settleLimit = 60 * time.Second
)

// user is a client that owns one service: it alone changes it, and repeats each request until it is acknowledged.
type user struct {
	api     *client.Client
	service string

	acked   *wanted // acknowledged last; nil: there is none
	id      string
	version uint64 // the newest index seen
	network string // acknowledged; empty: there is none
	calls   int
	retries int
}

// errBroken is an answer that breaks a promise.
var errBroken = errors.New("a promise is broken")

func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errBroken, fmt.Errorf(format, args...))
}

// insist repeats a request until it is answered. The attempt is told whether an earlier one's fate is not known.
func (u *user) insist(ctx context.Context, attempt func(ctx context.Context, doubt bool) error) error {
	for doubt := false; ; {
		call, cancel := context.WithTimeout(ctx, callLimit)
		err := attempt(call, doubt)
		late := call.Err()
		cancel()
		u.calls++
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case late != nil:
			return broken("service %s: no answer in %v: %w", u.service, callLimit, err)
		case errors.Is(err, errBroken) || answered(err):
			return fmt.Errorf("service %s: %w", u.service, err)
		}
		doubt = true
		u.retries++
		time.Sleep(retryEvery)
	}
}

// answered reports whether an error is the daemon's answer and not its absence. 503 is what a daemon says that has no
// leader yet.
func answered(err error) bool {
	for _, is := range []func(error) bool{
		cerrdefs.IsNotFound, cerrdefs.IsInvalidArgument, cerrdefs.IsConflict, cerrdefs.IsInternal, cerrdefs.IsPermissionDenied,
		cerrdefs.IsUnauthorized, cerrdefs.IsNotImplemented, cerrdefs.IsFailedPrecondition, cerrdefs.IsAlreadyExists,
	} {
		if is(err) {
			return true
		}
	}
	return false
}

// create makes the service. A name that is taken already is right only after an attempt in doubt.
func (u *user) create(ctx context.Context, w wanted) error {
	return u.insist(ctx, func(ctx context.Context, doubt bool) error {
		r, err := u.api.ServiceCreate(ctx, client.ServiceCreateOptions{Spec: w.spec()})
		if err != nil && !(doubt && (cerrdefs.IsConflict(err) || cerrdefs.IsAlreadyExists(err))) {
			return err
		}
		u.id, u.version, u.acked = r.ID, 0, nil
		return u.expect(ctx, &w)
	})
}

// change updates the service to w.
func (u *user) change(ctx context.Context, w wanted) error {
	return u.insist(ctx, func(ctx context.Context, doubt bool) error {
		s, err := u.look(ctx)
		if err != nil {
			return err
		}
		if !u.acked.is(s.Spec) && !(doubt && w.is(s.Spec)) {
			return broken("acknowledged was %v, under way %v, there is %+v", *u.acked, w, s.Spec)
		}
		if _, err := u.api.ServiceUpdate(ctx, s.ID, client.ServiceUpdateOptions{Version: s.Version, Spec: w.spec()}); err != nil {
			return err
		}
		return u.expect(ctx, &w)
	})
}

// expect makes w the acknowledged state. That it can be read back at once is not part of the request: an error of the
// reading is none of it.
func (u *user) expect(ctx context.Context, w *wanted) error {
	u.acked = w
	s, err := u.look(ctx)
	if err != nil && !answered(err) && !errors.Is(err, errBroken) {
		return nil
	}
	if err == nil && !w.is(s.Spec) {
		err = broken("acknowledged was %v, read after it %+v", *w, s.Spec)
	}
	return err
}

// look reads the service and holds it to its id and its version's growth.
func (u *user) look(ctx context.Context) (swarm.Service, error) {
	r, err := u.api.ServiceInspect(ctx, u.service, client.ServiceInspectOptions{})
	if err != nil {
		return swarm.Service{}, err
	}
	s := r.Service
	switch {
	case u.id == "":
		u.id = s.ID
	case s.ID != u.id:
		return s, broken("service %s was acknowledged as %s and is now %s", u.service, u.id, s.ID)
	case s.Version.Index < u.version:
		return s, broken("the version of service %s fell from %d to %d", u.service, u.version, s.Version.Index)
	}
	u.version = s.Version.Index
	return s, nil
}

// remove removes the service. That there is none is right only after an attempt in doubt.
func (u *user) remove(ctx context.Context) error {
	err := u.insist(ctx, func(ctx context.Context, doubt bool) error {
		_, err := u.api.ServiceRemove(ctx, cmp.Or(u.id, u.service), client.ServiceRemoveOptions{})
		if doubt && cerrdefs.IsNotFound(err) {
			return nil
		}
		return err
	})
	if err == nil {
		u.acked, u.id = nil, ""
	}
	return err
}

// createNetwork makes the network of the user's service.
func (u *user) createNetwork(ctx context.Context, name string) error {
	err := u.insist(ctx, func(ctx context.Context, doubt bool) error {
		_, err := u.api.NetworkCreate(ctx, name, client.NetworkCreateOptions{Driver: "overlay"})
		if doubt && (cerrdefs.IsConflict(err) || cerrdefs.IsAlreadyExists(err)) {
			return nil
		}
		return err
	})
	if err == nil {
		u.network = name
	}
	return err
}

// removeNetwork removes the network of a service that is removed.
func (u *user) removeNetwork(ctx context.Context) error {
	err := u.insist(ctx, func(ctx context.Context, doubt bool) error {
		_, err := u.api.NetworkRemove(ctx, u.network, client.NetworkRemoveOptions{})
		if doubt && cerrdefs.IsNotFound(err) {
			return nil
		}
		return err
	})
	if err == nil {
		u.network = ""
	}
	return err
}

package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/hosts"
)

// version is what a service is to be; nil where a pointer to it is used means that there is to be none.
type version struct {
	replicas uint64
	number   int // in the containers' environment
}

func (v version) env() string { return "VERSION=" + strconv.Itoa(v.number) }

func (v version) spec(name string) swarm.ServiceSpec {
	zero := time.Duration(0)
	s := swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: name},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: hosts.WhoamiImage, Env: []string{v.env()}, StopGracePeriod: &zero}},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &v.replicas}},
		UpdateConfig: &swarm.UpdateConfig{Parallelism: 0},
	}
	return s
}

func (v version) is(s swarm.ServiceSpec) bool {
	return s.Mode.Replicated != nil && *s.Mode.Replicated.Replicas == v.replicas && slices.Contains(s.TaskTemplate.ContainerSpec.Env, v.env())
}

// user alone changes one service. An attempt that is not answered leaves a doubt, which the next acknowledged change
// ends: a change bears the version it was made from, and a name is given once.
type user struct {
	f       *fixture
	rand    *rand.Rand
	service string

	acked   *version
	id      string
	doubts  []version // perhaps there instead
	number  int
	acks    int
	unheard int
	slowest time.Duration
}

func newUser(f *fixture, i int, seed uint64) *user {
	return &user{f: f, rand: rand.New(rand.NewPCG(seed, uint64(i)+1)), service: fmt.Sprintf("chaos-%d", i)}
}

func (u *user) String() string {
	return fmt.Sprintf("%s: %d changes acknowledged, %d attempts not; the slowest answer took %v; it is to be %v", u.service, u.acks, u.unheard, u.slowest, u.acked)
}

// run changes the service until done, and then until nothing is in doubt.
func (u *user) run(ctx context.Context, done <-chan struct{}) error {
	for {
		select {
		case <-done:
			if u.acked != nil {
				return u.insist(ctx, u.change)
			}
			return u.insist(ctx, u.create)
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		next := u.change
		switch {
		case u.acked == nil:
			next = u.create
		case u.rand.IntN(6) == 0:
			next = u.remove
		}
		if err := u.insist(ctx, next); err != nil {
			return err
		}
		time.Sleep(time.Duration(u.rand.IntN(1000)) * time.Millisecond) // a user thinks
	}
}

// insist tries through managers at random until one acknowledges.
func (u *user) insist(ctx context.Context, try func(context.Context, *client.Client, version) (bool, error)) error {
	u.number++
	v := version{replicas: uint64(1 + u.rand.IntN(6)), number: u.number}
	for ctx.Err() == nil {
		via := u.f.Host([]string{"m1", "m2", "m3"}[u.rand.IntN(3)])
		call, cancel := context.WithTimeout(ctx, 2*promisedAnswer)
		began := time.Now()
		ok, err := try(call, via.Docker(), v)
		cancel()
		u.slowest = max(u.slowest, time.Since(began))
		if err != nil {
			return fmt.Errorf("%s through %s: %w", u.service, via.Name, err)
		}
		if ok {
			u.acks++
			return nil
		}
		u.unheard++
		time.Sleep(50 * time.Millisecond)
	}
	return ctx.Err()
}

// final tells whether an error is a manager's answer and not the lack of one.
func final(err error) bool {
	return cerrdefs.IsNotFound(err) || cerrdefs.IsInvalidArgument(err) || cerrdefs.IsConflict(err) || cerrdefs.IsAlreadyExists(err) ||
		cerrdefs.IsPermissionDenied(err) || cerrdefs.IsNotImplemented(err)
}

// create makes the service. That it is there already is right after a doubt.
func (u *user) create(ctx context.Context, c *client.Client, v version) (bool, error) {
	r, err := c.ServiceCreate(ctx, client.ServiceCreateOptions{Spec: v.spec(u.service)})
	switch {
	case err == nil:
		u.id = r.ID
	case (cerrdefs.IsConflict(err) || cerrdefs.IsAlreadyExists(err)) && len(u.doubts) > 0:
		at, err := c.ServiceInspect(ctx, u.service, client.ServiceInspectOptions{})
		if err != nil || !v.is(at.Service.Spec) {
			return false, u.unless(err, "wanted %v, there is %+v", v, at.Service.Spec)
		}
		u.id = at.Service.ID
	default:
		u.doubts = append(u.doubts, v)
		return false, u.unless(err, "creating it")
	}
	u.acked, u.doubts = &v, nil
	return true, nil
}

// unless is nothing where an answer did not come, else the error with its story.
func (u *user) unless(err error, format string, args ...any) error {
	if err != nil && !final(err) {
		return nil
	}
	return fmt.Errorf("%s: acknowledged %v, in doubt %v: %w", fmt.Sprintf(format, args...), u.acked, u.doubts, err)
}

func (u *user) change(ctx context.Context, c *client.Client, v version) (bool, error) {
	r, err := c.ServiceInspect(ctx, u.id, client.ServiceInspectOptions{})
	if err != nil {
		return false, u.unless(err, "reading it")
	}
	there := r.Service
	if !u.acked.is(there.Spec) && !slices.ContainsFunc(u.doubts, func(v version) bool { return v.is(there.Spec) }) {
		return false, u.unless(nil, "there is %v %v", *there.Spec.Mode.Replicated.Replicas, there.Spec.TaskTemplate.ContainerSpec.Env)
	}
	if _, err := c.ServiceUpdate(ctx, u.id, client.ServiceUpdateOptions{Version: there.Version, Spec: v.spec(u.service)}); err != nil {
		u.doubts = append(u.doubts, v)
		if outOfSequence(err) && len(u.doubts) > 1 {
			return false, nil // one in doubt came meanwhile
		}
		return false, u.unless(err, "changing it to %v", v)
	}
	u.acked, u.doubts = &v, nil
	return true, nil
}

func outOfSequence(err error) bool { return err != nil && containsText(err, "out of sequence") }

// remove removes the service. That there is none is right after a doubt; it is removed by its id, so that a removal that
// comes late finds no service made after it.
func (u *user) remove(ctx context.Context, c *client.Client, v version) (bool, error) {
	_, err := c.ServiceRemove(ctx, u.id, client.ServiceRemoveOptions{})
	if err != nil && !(cerrdefs.IsNotFound(err) && len(u.doubts) > 0) {
		u.doubts = append(u.doubts, v)
		return false, u.unless(err, "removing it")
	}
	u.acked, u.doubts, u.id = nil, nil, ""
	return true, nil
}

package bench

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/skep-org/skep/internal/lab/engine"
	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

const (
	plainSide = "plain"
	plainPort = ":5000"
	// Who does what: one host pushes, another has the plain registry, and one is new when all is over.
	pusher, home, spare = "w1", "w2", "w3"
	// pullLimit bounds one round.
	pullLimit = 10 * time.Minute
)

// registries is the state of one Registries.
type registries struct {
	cfg    RegistryConfig
	lab    *hosts.Lab
	dir    string
	pushed string // the cluster's newest image
	took   map[string][]float64
}

// prepare starts the plain registry, turns the spare host off and bounds the links. end ends the registry.
func (r *registries) prepare(ctx context.Context) (end func() error, err error) {
	argv := append(append([]string(nil), r.cfg.Plain...), r.plain(), filepath.Join(r.dir, "plain"))
	life, stop := context.WithCancel(ctx)
	cmd, err := r.lab.Host(home).Command(life, argv...)
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("starting the plain registry: %w", err)
	}
	end = func() error {
		stop()
		_ = cmd.Wait() // it was killed
		return nil
	}
	if err := r.lab.Host(spare).Kill(ctx); err != nil {
		return nil, errors.Join(err, end())
	}
	for _, h := range r.lab.Hosts() {
		if err := r.lab.Rate(ctx, h.Name, r.cfg.Rate); err != nil {
			return nil, errors.Join(err, end())
		}
	}
	return end, nil
}

func (r *registries) plain() string { return r.lab.Host(home).Address.String() + plainPort }

// at are the hosts that run the service.
func (r *registries) at() (list []*hosts.Host) {
	for _, h := range r.lab.Hosts() {
		if h.Name != spare {
			list = append(list, h)
		}
	}
	return list
}

// round pushes an image nobody has seen and runs it.
func (r *registries) round(ctx context.Context, i int, side string) error {
	ctx, cancel := context.WithTimeout(ctx, pullLimit)
	defer cancel()
	local := fmt.Sprintf("local/%s:%d", side, i)
	if err := r.image(ctx, local); err != nil {
		return err
	}
	before, err := r.sent(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	name, err := r.push(ctx, side, local, i)
	if err != nil {
		return err
	}
	push := time.Since(began)
	began = time.Now()
	service := []string{"service", "create", "--detach", "--name", "bench", "--replicas", strconv.Itoa(r.cfg.Replicas), "--constraint", "node.hostname!=" + spare, name}
	if err := r.docker(ctx, "m1", service...); err != nil {
		return err
	}
	if err := running(ctx, r.cfg.Replicas, r.at()); err != nil {
		return err
	}
	run := time.Since(began)
	after, err := r.sent(ctx)
	if err != nil {
		return err
	}
	images := float64(after-before) / float64(r.cfg.Size)
	r.note(side, "push", push.Seconds())
	r.note(side, "run", run.Seconds())
	r.note(side, "sent", images)
	_, _ = fmt.Fprintf(r.cfg.Log, "%-5s  pushed in %.2f s, running in %.2f s, the pusher sent %.3f images\n", side, push.Seconds(), run.Seconds(), images)
	return r.clear(ctx, name)
}

func (r *registries) note(side, what string, v float64) {
	r.took[side+what] = append(r.took[side+what], v)
}

// image makes an image on the pusher, with a layer that cannot be compressed.
func (r *registries) image(ctx context.Context, name string) error {
	ballast := filepath.Join(r.dir, "ballast")
	f, err := os.Create(ballast)
	if err == nil {
		_, err = io.CopyN(f, rand.Reader, r.cfg.Size)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("making the image's content: %w", err)
	}
	files := []engine.File{{Path: "/whoami", From: r.cfg.Whoami}, {Path: "/ballast", From: ballast}}
	_, err = engine.ImportImage(ctx, r.lab.Host(pusher).Engine(), name, files, `ENTRYPOINT ["/whoami"]`)
	return err
}

// push returns the name under which the image is run.
func (r *registries) push(ctx context.Context, side, local string, i int) (string, error) {
	if side == Skep {
		name, err := r.lab.Host(pusher).Exec(ctx, r.cfg.Skep, "image", "push", local, fmt.Sprintf("bench/app:%d", i))
		if err != nil {
			return "", err
		}
		r.pushed = fmt.Sprintf("127.0.0.1:5005/bench/app:%d", i)
		if len(name) < len(r.pushed) || name[len(name)-len(r.pushed):] != r.pushed {
			return "", fmt.Errorf("skep image push said %q", name)
		}
		return r.pushed, nil
	}
	name := fmt.Sprintf("%s/bench/app:%d", r.plain(), i)
	if err := r.docker(ctx, pusher, "tag", local, name); err != nil {
		return "", err
	}
	return name, r.docker(ctx, pusher, "push", "--quiet", name)
}

func (r *registries) docker(ctx context.Context, host string, args ...string) error {
	_, err := r.lab.Host(host).Exec(ctx, append([]string{"docker"}, args...)...)
	return err
}

// clear removes the service, and the image from the engines.
func (r *registries) clear(ctx context.Context, name string) error {
	if err := r.docker(ctx, "m1", "service", "rm", "bench"); err != nil {
		return err
	}
	if err := running(ctx, 0, r.at()); err != nil {
		return err
	}
	for _, h := range r.at() {
		if err := until(ctx, func() string { // the containers that ended may be there a moment longer
			if _, err := h.Exec(ctx, "docker", "-H", "unix:///run/docker.sock", "image", "prune", "--all", "--force"); err != nil {
				return err.Error()
			}
			left, err := h.Exec(ctx, "docker", "-H", "unix:///run/docker.sock", "image", "ls", "--quiet")
			if err != nil || left != "" {
				return fmt.Sprintf("%s is still on %s: %s %v", name, h.Name, left, err)
			}
			return ""
		}); err != nil {
			return err
		}
	}
	return nil
}

// sent is how many bytes the pusher's link has sent so far.
func (r *registries) sent(ctx context.Context) (uint64, error) {
	said, err := r.lab.Host(pusher).Exec(ctx, "ip", "-json", "-statistics", "link", "show", "dev", guest.Link)
	if err != nil {
		return 0, err
	}
	var links []struct {
		Stats64 struct{ TX struct{ Bytes uint64 } }
	}
	if err := json.Unmarshal([]byte(said), &links); err != nil || len(links) != 1 {
		return 0, fmt.Errorf("reading what %s has sent from %q: %w", pusher, said, err)
	}
	return links[0].Stats64.TX.Bytes, nil
}

// late runs the cluster's newest image on a host that is new, without the one it was pushed to.
func (r *registries) late(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pullLimit)
	defer cancel()
	if err := errors.Join(r.lab.Host(pusher).Kill(ctx), r.lab.Host(spare).Start(ctx)); err != nil {
		return err
	}
	began := time.Now()
	if err := r.docker(ctx, "m1", "service", "create", "--detach", "--name", "bench", "--constraint", "node.hostname=="+spare, r.pushed); err != nil {
		return err
	}
	if err := running(ctx, 1, []*hosts.Host{r.lab.Host(spare)}); err != nil {
		return err
	}
	r.note(Skep, "late", time.Since(began).Seconds())
	_, _ = fmt.Fprintf(r.cfg.Log, "a new host ran the image after %.2f s, without the pusher\n", time.Since(began).Seconds())
	return nil
}

package stacks

import (
	"context"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/hosts"
)

// seeLimit is how long what a step waits for may take: an update of three tasks one after the other is the longest, and the
// machine may be busy.
const seeLimit = 2 * time.Minute

// trial is one stack on its way through the cluster.
type trial struct {
	*scene
	t    *testing.T
	name string
	dir  string
	// skep is of one that skep stack deploys, and not docker stack; said are the words of its last deployment.
	skep bool
	said []string
	seen map[string]map[string]bool // of each service, the tasks when they were last looked at
	cids map[string]place           // of each service, a container that is asked
}

type place struct{ host, id string }

// try takes a stack through its trial, and away again whatever comes of it.
func (s *scene) try(t *testing.T, name string) {
	dir, err := filepath.Abs(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	(&trial{scene: s, t: t, name: name, dir: dir}).through(trialOf(t, dir))
}

// through takes the steps.
func (tr *trial) through(steps []step) {
	t, name := tr.t, tr.name
	began := time.Now()
	defer func() { t.Logf("%s took %.1f s", name, time.Since(began).Seconds()) }()
	defer tr.undo(steps)
	defer tr.remove()
	defer func() {
		if t.Failed() {
			tr.tell()
		}
	}()
	for _, st := range steps {
		tr.do(st)
	}
}

// undo runs what is to be run at the end, each line whatever becomes of the others.
func (tr *trial) undo(steps []step) {
	for _, st := range steps {
		if st.verb == "undo" {
			defer tr.run(st.text)
		}
	}
}

func (tr *trial) do(st step) {
	tr.t.Helper()
	switch st.verb {
	case "run":
		tr.run(st.text)
	case "deploy":
		if tr.skep {
			tr.deployProject(strings.Fields(st.text))
		} else {
			tr.deploy(strings.Fields(st.text))
		}
	case "same":
		tr.same()
	case "refused":
		tr.refused(st)
	case "settled":
		tr.settled()
	case "see", "fails":
		tr.see(st)
	case "replaced":
		tr.changed(st, strings.Fields(st.text), func(before, now map[string]bool) bool {
			for id := range before {
				if now[id] {
					return false
				}
			}
			return len(now) > 0
		})
	case "added":
		tr.changed(st, strings.Fields(st.text), func(before, now map[string]bool) bool {
			for id := range before {
				if !now[id] {
					return false
				}
			}
			return len(now) > len(before)
		})
	}
}

// stepLimit is for one line: what takes longer hangs.
const stepLimit = time.Minute

func (tr *trial) run(line string, env ...string) string {
	tr.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tr.t.Context()), stepLimit)
	defer cancel()
	out, err := tr.shell(ctx, "m1", tr.dir, line, env...)
	if err != nil {
		tr.t.Fatalf("%s: %v: %s", line, err, out)
	}
	return out
}

func (tr *trial) deploy(env []string) {
	tr.t.Helper()
	out := tr.run("docker stack deploy -c stack.yml "+tr.name, append(env, limits(tr.t)...)...)
	for line := range strings.SplitSeq(out, "\n") {
		if strings.Contains(line, "rror") {
			tr.t.Errorf("docker stack deploy says: %s", line)
		}
	}
	tr.settled()
}

// limited are the limits that the stacks lift, with the variables by which they take a lower one.
var limited = []struct {
	variable string
	resource int
	most     uint64
}{
	{"MEMLOCK", 8, math.MaxUint64}, // RLIMIT_MEMLOCK, which package syscall does not name
	{"NOFILE", syscall.RLIMIT_NOFILE, 65536},
}

// limits says how far a container's limits go, where the machine does not let root lift them.
func limits(t *testing.T) (env []string) {
	t.Helper()
	for _, l := range limited {
		var own syscall.Rlimit
		if err := syscall.Getrlimit(l.resource, &own); err != nil {
			t.Fatal(err)
		}
		if own.Max >= l.most {
			continue
		}
		lifted := syscall.Rlimit{Cur: own.Cur, Max: l.most}
		if err := syscall.Setrlimit(l.resource, &lifted); err == nil {
			continue // nor does it harm that this process may have more from now on
		}
		t.Logf("this machine lets nobody have more than %d of %s", own.Max, l.variable)
		env = append(env, fmt.Sprintf("%s=%d", l.variable, own.Max))
	}
	return env
}

// services are those of the stack.
func (tr *trial) services(ctx context.Context) ([]swarm.Service, error) {
	list, err := tr.Host("m1").Docker().ServiceList(ctx, client.ServiceListOptions{Status: true, Filters: stackFilter(tr.name)})
	return list.Items, err
}

func stackFilter(name string) client.Filters {
	return client.Filters{}.Add("label", "com.docker.stack.namespace="+name)
}

// settled waits until every service has the tasks it wants and nothing is being replaced, and remembers the tasks if there
// was nothing to compare with before.
func (tr *trial) settled() {
	tr.t.Helper()
	until(tr.t, seeLimit, func() string {
		all, err := tr.services(tr.t.Context())
		if err != nil {
			return err.Error()
		}
		for _, s := range all {
			if s.UpdateStatus != nil && (s.UpdateStatus.State == swarm.UpdateStateUpdating || s.UpdateStatus.State == swarm.UpdateStateRollbackStarted) {
				return fmt.Sprintf("%s: %s", s.Spec.Name, s.UpdateStatus.Message)
			}
			if s.Spec.Mode.Global != nil && s.ServiceStatus.DesiredTasks == 0 {
				return s.Spec.Name + " has no tasks"
			}
			job := s.Spec.Mode.ReplicatedJob != nil || s.Spec.Mode.GlobalJob != nil // of which a deployment has seen the end
			if !job && s.ServiceStatus.RunningTasks != s.ServiceStatus.DesiredTasks {
				return fmt.Sprintf("of %s run %d of %d", s.Spec.Name, s.ServiceStatus.RunningTasks, s.ServiceStatus.DesiredTasks)
			}
		}
		return ""
	})
	tr.cids = nil
	if tr.seen == nil {
		tr.seen = tr.tasks()
	}
}

// tasks are the ids of the tasks that are to run, by service.
func (tr *trial) tasks() map[string]map[string]bool {
	tr.t.Helper()
	list, err := tr.Host("m1").Docker().TaskList(tr.t.Context(), client.TaskListOptions{Filters: stackFilter(tr.name).Add("desired-state", "running")})
	if err != nil {
		tr.t.Fatal(err)
	}
	services, err := tr.services(tr.t.Context())
	if err != nil {
		tr.t.Fatal(err)
	}
	names, all := map[string]string{}, map[string]map[string]bool{}
	for _, s := range services {
		names[s.ID] = strings.TrimPrefix(s.Spec.Name, tr.name+"_")
		all[names[s.ID]] = map[string]bool{}
	}
	for _, task := range list.Items {
		if name, ok := names[task.ServiceID]; ok {
			all[name][task.ID] = true
		}
	}
	return all
}

// changed waits until what was to become of the tasks has become of them; no others may have been touched.
func (tr *trial) changed(st step, services []string, how func(before, now map[string]bool) bool) {
	tr.t.Helper()
	var now map[string]map[string]bool
	until(tr.t, seeLimit, func() string {
		now = tr.tasks()
		for _, name := range services {
			if !how(tr.seen[name], now[name]) {
				return fmt.Sprintf("%v: %s had the tasks %v and has %v", st, name, keys(tr.seen[name]), keys(now[name]))
			}
		}
		return ""
	})
	for name, tasks := range now {
		if !slices.Contains(services, name) && !maps.Equal(tr.seen[name], tasks) {
			tr.t.Errorf("%v: %s was not to be touched, had the tasks %v and has %v", st, name, keys(tr.seen[name]), keys(tasks))
		}
	}
	tr.seen = now
	tr.settled()
}

func keys(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }

// see repeats a question until its answer is the one wanted.
func (tr *trial) see(st step) {
	tr.t.Helper()
	until(tr.t, seeLimit, func() string {
		ctx, cancel := context.WithTimeout(tr.t.Context(), stepLimit)
		defer cancel()
		out, err := tr.answer(ctx, st)
		if (err != nil) == (st.verb == "fails") && st.want.MatchString(out) {
			return ""
		}
		return fmt.Sprintf("%v: wanted %q: %v: %s", st, st.want, err, out)
	})
}

var hostNames = regexp.MustCompile(`^[mw][0-9]$`)

func (tr *trial) answer(ctx context.Context, st step) (string, error) {
	switch {
	case st.where == "client":
		words := strings.Fields(st.text)
		for i, w := range words {
			words[i] = tr.numeric(w)
		}
		return tr.ask(ctx, words...)
	case hostNames.MatchString(st.where):
		return tr.shell(ctx, st.where, tr.dir, st.text)
	default:
		return tr.inside(ctx, st.where, strings.Fields(st.text))
	}
}

var hostInURL = regexp.MustCompile(`^(http://)?([mw][0-9]):`)

// numeric puts a host's address in the place of its name, which the client's machine does not know.
func (tr *trial) numeric(word string) string {
	m := hostInURL.FindStringSubmatch(word)
	if m == nil {
		return word
	}
	return m[1] + tr.Host(m[2]).Address.String() + strings.TrimPrefix(word, m[1]+m[2])
}

// inside asks the stand-in in a container of a service.
func (tr *trial) inside(ctx context.Context, service string, words []string) (string, error) {
	at, err := tr.container(ctx, service)
	if err != nil {
		return "", err
	}
	args := append([]string{"docker", "--host", "unix:///run/docker.sock", "exec", at.id, "/standin"}, words...)
	cmd, err := tr.Host(at.host).Command(ctx, args...)
	if err != nil {
		return "", err
	}
	out, err := said(cmd)
	if err != nil {
		delete(tr.cids, service) // perhaps it has been replaced
	}
	return out, err
}

// container finds one of a service, and remembers which.
func (tr *trial) container(ctx context.Context, service string) (place, error) {
	if at, ok := tr.cids[service]; ok {
		return at, nil
	}
	for _, h := range tr.Hosts() {
		list, err := h.Engine().ContainerList(ctx, client.ContainerListOptions{Filters: client.Filters{}.
			Add("label", "com.docker.swarm.service.name="+tr.name+"_"+service).Add("status", "running")})
		if err != nil {
			return place{}, err
		}
		if len(list.Items) > 0 {
			if tr.cids == nil {
				tr.cids = map[string]place{}
			}
			tr.cids[service] = place{h.Name, list.Items[0].ID}
			return tr.cids[service], nil
		}
	}
	return place{}, fmt.Errorf("no host runs a container of %s", service)
}

// remove removes the stack with the docker CLI; nothing of it is to be left anywhere.
func (tr *trial) remove() {
	tr.t.Helper()
	if tr.skep {
		tr.run("skep stack rm " + tr.name)
	} else {
		tr.run("docker stack rm " + tr.name)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tr.t.Context()), 2*seeLimit)
	defer cancel()
	until(tr.t, seeLimit, func() string { return tr.run(left(tr.name)) })
	for _, h := range tr.Hosts() {
		until(tr.t, seeLimit, func() string { return tr.leftOn(ctx, h) })
	}
	if out := tr.run("docker stack ls --format '{{.Name}}'"); slices.Contains(strings.Fields(out), tr.name) {
		tr.t.Errorf("after the removal docker stack ls says %s", out)
	}
}

// left is a line that names what there still is of a stack.
func left(stack string) string {
	var line []string
	for _, kind := range []string{"service", "network", "secret", "config"} {
		line = append(line, fmt.Sprintf("docker %s ls --quiet --filter label=com.docker.stack.namespace=%s", kind, stack))
	}
	return strings.Join(line, " && ")
}

// leftOn says what there still is of the stack on a host. Volumes stay, as with Docker; they are removed here.
func (tr *trial) leftOn(ctx context.Context, h *hosts.Host) string {
	containers, err := h.Engine().ContainerList(ctx, client.ContainerListOptions{All: true, Filters: stackFilter(tr.name)})
	if err != nil {
		return err.Error()
	}
	for _, c := range containers.Items {
		return fmt.Sprintf("%s still has %v (%s)", h.Name, c.Names, c.Status)
	}
	networks, err := h.Engine().NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return err.Error()
	}
	for _, n := range networks.Items {
		if strings.HasPrefix(n.Name, tr.name+"_") {
			return fmt.Sprintf("%s still has network %s", h.Name, n.Name)
		}
	}
	volumes, err := h.Engine().VolumeList(ctx, client.VolumeListOptions{Filters: stackFilter(tr.name)})
	if err != nil {
		return err.Error()
	}
	for _, v := range volumes.Items {
		if _, err := h.Engine().VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true}); err != nil {
			return err.Error()
		}
	}
	return ""
}

// tell shows what there is of a stack whose trial failed.
func (tr *trial) tell() {
	for _, line := range []string{"docker stack ps --no-trunc --format '{{.Name}} {{.Node}} {{.DesiredState}} {{.CurrentState}} {{.Error}}' ", "docker stack services "} {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tr.t.Context()), stepLimit)
		out, err := tr.shell(ctx, "m1", tr.dir, line+tr.name)
		cancel()
		tr.t.Logf("%s%s (%v):\n%s", line, tr.name, err, out)
	}
}

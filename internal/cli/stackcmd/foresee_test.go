package stackcmd

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skep-org/skep/internal/cli/clusterapi"
	"github.com/skep-org/skep/internal/manager/forecast"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/plan"
	"github.com/skep-org/skep/internal/store"
)

// TestPlanIsWhatDeployDoes: of a random stack on a random cluster, deployed once and then changed, each task comes to be
// where the forecast says, or waits for what it says, and those it says stay are the same tasks. Forecast and deployment
// draw other ids. Nothing is written by the forecast.
func TestPlanIsWhatDeployDoes(t *testing.T) {
	d := newDaemon(t)
	dir := t.TempDir()
	file, secret := filepath.Join(dir, "compose.json"), filepath.Join(dir, "key")
	seen := map[string]int{}
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		require.NoError(t, flag.Set("rapid.checks", "200"))
	}
	rapid.Check(t, func(t *rapid.T) {
		c := d.begin(t, rapid.Uint64().Draw(t, "seed"))
		drawCluster(t, c)
		drawn := drawStack(t, secret)
		for range rapid.IntRange(1, 2).Draw(t, "deployments") {
			d.checkDeployment(t, c, file, drawn, seen)
			drawn.change(t)
		}
	})
	for _, what := range []string{"starts", "stops", "restarts", "stays", "waits", "waits for a service", "completes", "moves", "refused"} {
		if seen[what] == 0 {
			t.Errorf("in no case a task %s: the cases are too tame", what)
		}
	}
	t.Log(seen)
}

func (d *daemon) checkDeployment(t *rapid.T, c *cluster, file string, drawn *drawnStack, seen map[string]int) {
	raw, err := json.Marshal(drawn.project)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	before, wrote := c.View(), c.writes
	foreseen, planErr := d.foresee(file)
	if c.writes != wrote || c.View().Index() != before.Index() {
		t.Fatal("a forecast wrote something")
	}
	out, err := d.command("deploy", "--detach", "--prune", "--resolve-image", "never", "--compose-file", file, "shop")
	if c.broken != "" {
		t.Fatalf("%s\n%s", c.broken, out)
	}
	if (err == nil) != (planErr == nil) {
		t.Fatalf("foreseen: %v\ndeployed: %v\n%s", planErr, err, out)
	}
	if err != nil {
		seen["refused"]++
		if !strings.Contains(ids.ReplaceAllString(err.Error(), "ID"), reason(planErr)) {
			t.Fatalf("foreseen: %v\ndeployed: %v", planErr, err)
		}
		c.rest()
		return
	}
	c.rest()
	if c.broken != "" {
		t.Fatal(c.broken)
	}
	want, got := expected(foreseen), became(c, before)
	if !maps.Equal(want, got) {
		t.Fatalf("foreseen and deployed differ:\n%s\n%s\n%s", lines(want, got), raw, c.PrintTasks(""))
	}
	for _, fate := range got {
		for what := range kinds(fate) {
			seen[what]++
		}
	}
}

// ids are those of services in what the cluster says.
var ids = regexp.MustCompile(`\b[a-z0-9]{25}\b`)

// reason is what the cluster said, without who said it.
func reason(err error) string {
	_, text, found := strings.Cut(err.Error(), "the cluster would refuse ")
	if !found {
		_, text, _ = strings.Cut(err.Error(), cannot)
	}
	_, text, _ = strings.Cut(text, ": ")
	return ids.ReplaceAllString(text, "ID")
}

// foresee is what skep stack plan gets to know.
func (d *daemon) foresee(file string) (out *forecast.Outcome, err error) {
	one := &deployment{files: files{paths: []string{file}}, host: d.host, options: plan.Options{Prune: true, Resolve: plan.ResolveNever}}
	cmd := &cobra.Command{}
	cmd.SetContext(context.Background())
	cmd.SetOut(&strings.Builder{})
	cmd.SetErr(&strings.Builder{})
	err = one.ofFiles(cmd, "shop", func(ctx context.Context, s *stack.Stack) error {
		p, _, err := one.plan(ctx, s)
		if err != nil {
			return err
		}
		if err := problems(cannot, p); err != nil {
			return err
		}
		out, err = clusterapi.Foresee(ctx, one.client, one.host, p)
		return err
	})
	return out, err
}

func (d *daemon) command(args ...string) (string, error) {
	cmd := newCommand(&quick{}, "test")
	var out strings.Builder
	cmd.SetArgs(append(args, "--host", d.host))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(context.Background())
	return out.String(), err
}

// expected is a forecast by service and slot: where the task there is, and whether it is another.
func expected(o *forecast.Outcome) map[string]string {
	out := map[string]string{}
	for _, s := range o.Services {
		var tasks []string
		for _, t := range s.Tasks {
			line := fmt.Sprintf("%d %s %s→%s %s", t.Slot, t.Fate, t.From, t.To, t.Pending)
			if t.Ends {
				line += "completes"
			}
			tasks = append(tasks, line)
		}
		slices.Sort(tasks)
		if len(tasks) > 0 || s.Written {
			out[s.Name] = fmt.Sprintf("%d stays; %s", s.Stay, strings.Join(tasks, "; "))
		}
	}
	return out
}

// became is the same of what really happened.
func became(c *cluster, before store.View) map[string]string {
	out := map[string]string{}
	names := map[model.ID]string{}
	for _, v := range []store.View{before, c.View()} {
		for s := range store.Services.All(v) {
			names[s.ID] = s.Name
		}
	}
	for id, name := range names {
		old, cur := held(c, before, id), held(c, c.View(), id)
		var tasks []string
		stays := 0
		for at := range union(old, cur) {
			a, b := old[at], cur[at]
			switch {
			case a != nil && b != nil && a.id == b.id && (a.host != "" || b.host == ""):
				stays++
			case b == nil && a.completed:
			case b == nil:
				tasks = append(tasks, fmt.Sprintf("%d stops %s→ ", a.slot, a.host))
			case a == nil || a.host == "" || a.completed:
				tasks = append(tasks, fmt.Sprintf("%d starts →%s %s", b.slot, b.host, b.fate()))
			default:
				tasks = append(tasks, fmt.Sprintf("%d restarts %s→%s %s", b.slot, a.host, b.host, b.fate()))
			}
		}
		was, is := store.Services.ByID(before, id), store.Services.ByID(c.View(), id)
		if len(tasks) > 0 || was == nil || is == nil || was.Revision != is.Revision {
			slices.Sort(tasks)
			out[name] = fmt.Sprintf("%d stays; %s", stays, strings.Join(tasks, "; "))
		}
	}
	return out
}

type holder struct {
	id            model.ID
	slot          uint64
	host, pending string
	created       int64
	completed     bool
}

func (h *holder) fate() string {
	if h.completed {
		return "completes"
	}
	return h.pending
}

// held are the tasks that are to run, and those of a job's iteration that have, by slot and node.
func held(c *cluster, v store.View, service model.ID) map[string]*holder {
	out := map[string]*holder{}
	s := store.Services.ByID(v, service)
	for t := range store.TasksOf(v, service) {
		o := store.Observe(v, t, c.Now())
		at := fmt.Sprint(t.Slot, t.NodeID)
		completed := t.Desired == model.StateComplete && o.State == model.StateComplete && s != nil && s.Iteration == uint64(t.Iteration)
		if t.Desired >= model.StateShutdown || o.State.Terminal() && !completed || out[at] != nil && out[at].created > t.Created {
			continue
		}
		h := &holder{id: t.ID, slot: t.Slot, created: t.Created, host: c.Name(o.NodeID), completed: completed}
		if o.State < model.StateAssigned {
			h.host, h.pending = "", o.Err
			if h.pending == "" {
				h.pending = o.Message
			}
		}
		out[at] = h
	}
	return out
}

func union(a, b map[string]*holder) map[string]*holder {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// kinds are the kinds of fates in a line.
func kinds(line string) map[string]bool {
	out := map[string]bool{"stays": !strings.HasPrefix(line, "0 ")}
	for _, what := range []string{"starts", "stops", "restarts"} {
		out[what] = strings.Contains(line, " "+what+" ")
	}
	out["waits"] = strings.Contains(line, "no suitable node")
	out["waits for a service"] = strings.Contains(line, "waits for service")
	out["completes"] = strings.Contains(line, "completes")
	for _, part := range strings.Split(line, "; ") {
		words := strings.Fields(part)
		if len(words) > 2 && words[1] == "restarts" {
			from, to, _ := strings.Cut(words[2], "→")
			out["moves"] = out["moves"] || to != "" && from != to
		}
	}
	maps.DeleteFunc(out, func(_ string, is bool) bool { return !is })
	return out
}

func lines(want, got map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(want)) {
		fmt.Fprintf(&b, "foreseen %s: %s\n", name, want[name])
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		fmt.Fprintf(&b, "deployed %s: %s\n", name, got[name])
	}
	return b.String()
}

// drawCluster draws nodes, what they offer, and a service that is in the way.
func drawCluster(t *rapid.T, c *cluster) {
	nodes := rapid.IntRange(1, 5).Draw(t, "nodes")
	for i := range nodes {
		name := fmt.Sprintf("n%d", i+1)
		c.Node(name)
		cpus := rapid.Int64Range(1, 4).Draw(t, "cpus")
		c.Offer(name, func(r *swarm.Resources) { r.NanoCPUs = cpus * 1e9 })
		zone := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone")
		availability := rapid.SampledFrom([]swarm.NodeAvailability{"active", "active", "active", "pause", "drain"}).Draw(t, "availability")
		c.EditNode(name, func(s *swarm.NodeSpec) {
			s.Labels, s.Availability = map[string]string{"zone": zone}, availability
		})
	}
	c.settle()
	if rapid.Bool().Draw(t, "other") {
		spec := c.Spec("other")
		n := rapid.Uint64Range(1, 4).Draw(t, "others")
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &n}
		spec.TaskTemplate.Resources = &swarm.ResourceRequirements{Reservations: &swarm.Resources{NanoCPUs: 1e9}}
		c.Ask(spec)
		c.rest()
	}
	if nodes > 1 && rapid.IntRange(0, 4).Draw(t, "down") == 0 {
		c.Reach("n1", model.ReachDown)
		c.rest()
	}
}

// drawnStack is a Compose project that changes.
type drawnStack struct {
	project  map[string]any
	services map[string]any
	secret   string // the file of the secret
	tags     int
}

func drawStack(t *rapid.T, secret string) *drawnStack {
	d := &drawnStack{services: map[string]any{}, secret: secret}
	d.project = map[string]any{
		"services": d.services,
		"configs":  map[string]any{"motd": map[string]any{"content": "hello"}},
		"secrets":  map[string]any{"key": map[string]any{"file": secret}},
	}
	d.rotate("first")
	for i := range rapid.IntRange(1, 4).Draw(t, "services") {
		name := fmt.Sprintf("s%d", i+1)
		d.services[name] = d.service(t, name)
	}
	return d
}

// rotate gives the secret another content.
func (d *drawnStack) rotate(content string) {
	if err := os.WriteFile(d.secret, []byte(content), 0o600); err != nil {
		panic(err)
	}
}

func (d *drawnStack) service(t *rapid.T, name string) map[string]any {
	mode := rapid.SampledFrom([]string{"replicated", "replicated", "replicated", "replicated", "global", "replicated-job", "global-job"}).Draw(t, "mode")
	job := strings.HasSuffix(mode, "job")
	deploy := map[string]any{"mode": mode}
	if !job {
		deploy["update_config"] = map[string]any{
			"parallelism":    rapid.IntRange(0, 3).Draw(t, "parallelism"),
			"delay":          rapid.SampledFrom([]string{"0s", "1s", "7s"}).Draw(t, "delay"),
			"monitor":        rapid.SampledFrom([]string{"1s", "5s"}).Draw(t, "monitor"),
			"order":          rapid.SampledFrom([]string{"stop-first", "start-first"}).Draw(t, "order"),
			"failure_action": "pause",
		}
	}
	placement := map[string]any{}
	if strings.HasPrefix(mode, "replicated") {
		deploy["replicas"] = rapid.IntRange(0, 6).Draw(t, "replicas")
		if rapid.IntRange(0, 3).Draw(t, "limited") == 0 {
			placement["max_replicas_per_node"] = rapid.IntRange(1, 2).Draw(t, "max")
		}
	}
	if rapid.IntRange(0, 2).Draw(t, "constrained") == 0 {
		placement["constraints"] = []string{"node.labels.zone==" + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "in")}
	}
	if rapid.IntRange(0, 2).Draw(t, "spread") == 0 {
		placement["preferences"] = []any{map[string]any{"spread": "node.labels.zone"}}
	}
	deploy["placement"] = placement
	if cpus := rapid.SampledFrom([]string{"", "0.5", "1", "1.5"}).Draw(t, "reserves"); cpus != "" {
		deploy["resources"] = map[string]any{"reservations": map[string]any{"cpus": cpus}}
	}
	s := map[string]any{"image": "app:0", "deploy": deploy}
	if mode := rapid.SampledFrom([]string{"", "", "", "host", "ingress"}).Draw(t, "publishes"); mode != "" {
		s["ports"] = []any{map[string]any{"target": 80, "published": fmt.Sprint(rapid.IntRange(8000, 8001).Draw(t, "port")), "mode": mode}}
	}
	switch rapid.IntRange(0, 5).Draw(t, "uses") {
	case 0:
		s["configs"] = []string{"motd"}
	case 1:
		s["secrets"] = []string{"key"}
	}
	if rapid.IntRange(0, 2).Draw(t, "waits") == 0 {
		s["depends_on"] = d.dependencies(t, name)
	}
	return s
}

// dependencies draws what a service waits for: at times one that waits for it, and what cannot be.
func (d *drawnStack) dependencies(t *rapid.T, name string) map[string]any {
	out := map[string]any{}
	for _, other := range slices.Sorted(maps.Keys(d.services)) {
		if other != name && rapid.Bool().Draw(t, "on "+other) {
			conditions := []string{"service_started", "service_healthy"}
			if mode := d.services[other].(map[string]any)["deploy"].(map[string]any)["mode"].(string); strings.HasSuffix(mode, "job") {
				conditions = []string{"service_started", "service_completed_successfully", "service_completed_successfully"}
			}
			out[other] = map[string]any{"condition": rapid.SampledFrom(conditions).Draw(t, "condition")}
		}
	}
	return out
}

// change draws what the next deployment has otherwise.
func (d *drawnStack) change(t *rapid.T) {
	for _, name := range slices.Sorted(maps.Keys(d.services)) {
		s := d.services[name].(map[string]any)
		deploy := s["deploy"].(map[string]any)
		switch rapid.IntRange(0, 6).Draw(t, "change") {
		case 0:
			d.drop(name)
		case 1, 2:
			d.tags++
			s["image"] = fmt.Sprintf("app:%d", d.tags)
		case 3:
			if deploy["replicas"] != nil {
				deploy["replicas"] = rapid.IntRange(0, 6).Draw(t, "replicas")
			}
		case 4:
			next := d.service(t, name)
			if next["deploy"].(map[string]any)["mode"] == deploy["mode"] {
				d.services[name] = next
			}
		}
	}
	if rapid.Bool().Draw(t, "config") {
		d.project["configs"] = map[string]any{"motd": map[string]any{"content": rapid.SampledFrom([]string{"hello", "bye"}).Draw(t, "content")}}
	}
	if rapid.Bool().Draw(t, "secret") {
		d.rotate(rapid.SampledFrom([]string{"first", "second"}).Draw(t, "key"))
	}
	if len(d.services) == 0 || rapid.IntRange(0, 2).Draw(t, "more") == 0 {
		name := fmt.Sprintf("t%d", len(d.services))
		d.services[name] = d.service(t, name)
	}
}

// drop takes a service out of the files, and out of what others wait for.
func (d *drawnStack) drop(name string) {
	delete(d.services, name)
	for _, s := range d.services {
		if on, waits := s.(map[string]any)["depends_on"].(map[string]any); waits {
			delete(on, name)
		}
	}
}

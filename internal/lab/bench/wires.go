package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/skep-org/skep/examples/whoami/load"
	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// kind is what is measured of a way: connections or requests a second, or megabytes.
type kind struct {
	name, unit string
	page       string
	args       []string
	rate       func(*load.Report) float64
}

func kinds() []kind {
	answered := func(r *load.Report) float64 { return float64(r.Requests-r.Failures) / r.Seconds }
	return []kind{
		{"connections", "connections/s", "/who", []string{"-connections", "new", "-workers", "8"}, answered},
		{"requests", "requests/s", "/who", []string{"-connections", "keep", "-workers", "8", "-idle", "8"}, answered},
		{"throughput", "MB/s", "/bytes?n=8388608", []string{"-connections", "keep", "-workers", "2", "-idle", "2"},
			func(r *load.Report) float64 { return float64(r.Bytes) / 1e6 / r.Seconds }},
	}
}

// measureFor is one measurement.
const measureFor = time.Second

// serviceName is that of the server; its task runs on a host other than the asker's.
const serviceName = "web"

const benchPort = "8080"

// wires is a lab with a server on one host and askers in tasks on another.
//
// Each way has an asker with an address of its own. A server that saw one address come both ways, with the same ports and with
// timestamps that TCP draws for each destination, would take half of the new connections for late packets of old ones, and
// have them wait a second.
type wires struct {
	lab    *hosts.Lab
	whoami string
	askers []string // their containers, on m1
	vip    string
	task   string // the server's address on the overlay
	entry  string // a host without the server
	far    string // the server's host

	sealed      string // the server's address on an encrypted overlay; skep's lab alone has one
	sealedAsker string // who asks there
}

// newWires makes a lab. Where an error comes with a lab, it is to be taken down.
func newWires(ctx context.Context, cfg NetworkConfig, dir, side string) (*wires, error) {
	subnet := netip.MustParsePrefix("10.77.0.0/24")
	lab, err := hosts.Up(ctx, hosts.Config{
		Dir: dir, Managers: 1, Workers: 2, Subnet: subnet, Program: cfg.Skep, Whoami: cfg.Whoami, DockerSwarm: side == Swarm,
	})
	if err != nil {
		return nil, err
	}
	w := &wires{lab: lab, whoami: cfg.Whoami, entry: lab.Host("w2").Address.String(), far: lab.Host("w1").Address.String()}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	mode := []string{"--publish", "published=8080,target=8080"}
	if side == Swarm {
		mode = []string{"--endpoint-mode", "dnsrr"} // its virtual addresses need a kernel with ipvs
	}
	lines := [][]string{{"network", "create", "--driver", "overlay", "wire"}}
	if side == Skep {
		mode = append(mode, "--network", "sealed")
		lines = append(lines, []string{"network", "create", "--driver", "overlay", "--opt", "encrypted", "sealed"},
			[]string{"service", "create", "--detach", "--no-resolve-image", "--name", "sealer", "--network", "sealed", "--constraint", "node.hostname==m1", "--endpoint-mode", "dnsrr", hosts.WhoamiImage})
	}
	for _, line := range append(lines, [][]string{
		append(append([]string{"service", "create", "--detach", "--no-resolve-image", "--name", serviceName, "--network", "wire", "--constraint", "node.hostname==w1"}, mode...), hosts.WhoamiImage),
		{"service", "create", "--detach", "--no-resolve-image", "--name", "asker", "--replicas", "2", "--network", "wire", "--constraint", "node.hostname==m1", "--endpoint-mode", "dnsrr", hosts.WhoamiImage},
	}...) {
		if _, err := lab.Host("m1").Exec(ctx, append([]string{"docker"}, line...)...); err != nil {
			return w, err
		}
	}
	if err := w.secondClient(ctx); err != nil {
		return w, err
	}
	return w, w.find(ctx, side)
}

// secondClient has the client ask the host without the server from another address.
func (w *wires) secondClient(ctx context.Context) error {
	const addr = "10.77.0.250"
	for _, line := range [][]string{
		{"ip", "addr", "add", addr + "/24", "dev", guest.Link},
		{"ip", "route", "add", w.entry, "dev", guest.Link, "src", addr},
	} {
		if _, err := w.lab.Client().Exec(ctx, line...); err != nil {
			return err
		}
	}
	return nil
}

// find waits for both tasks and learns their addresses.
func (w *wires) find(ctx context.Context, side string) error {
	const where = `{{with index .NetworkSettings.Networks "wire"}}{{.IPAddress}}{{end}}`
	err := until(ctx, func() string {
		var err error
		if w.askers, err = w.containers(ctx, "m1", "asker", 2); err != nil {
			return err.Error()
		}
		servers, err := w.containers(ctx, "w1", serviceName, 1)
		if err != nil {
			return err.Error()
		}
		if w.task, err = w.engine(ctx, "w1", "inspect", "--format", where, servers[0]); err != nil || w.task == "" {
			return fmt.Sprintf("the server has no address: %v", err)
		}
		if side == Swarm {
			return ""
		}
		sealers, err := w.containers(ctx, "m1", "sealer", 1)
		if err != nil {
			return err.Error()
		}
		w.sealedAsker = sealers[0]
		if w.sealed, err = w.engine(ctx, "w1", "inspect", "--format", strings.Replace(where, "wire", "sealed", 1), servers[0]); err != nil || w.sealed == "" {
			return fmt.Sprintf("the server has no address on the encrypted network: %v", err)
		}
		return ""
	})
	if err != nil || side == Swarm {
		return err
	}
	w.vip, err = w.lab.Host("m1").Exec(ctx, "docker", "service", "inspect", "--format",
		`{{range .Endpoint.VirtualIPs}}{{.NetworkID}} {{.Addr}}{{"\n"}}{{end}}`, serviceName)
	if err != nil {
		return err
	}
	id, err := w.lab.Host("m1").Exec(ctx, "docker", "network", "inspect", "--format", "{{.Id}}", "wire")
	if err != nil {
		return err
	}
	for line := range strings.Lines(w.vip) {
		if rest, ok := strings.CutPrefix(line, id+" "); ok {
			w.vip, _, _ = strings.Cut(strings.TrimSpace(rest), "/")
			return nil
		}
	}
	return errors.New("the service has no virtual address: " + w.vip)
}

func (w *wires) containers(ctx context.Context, host, service string, n int) ([]string, error) {
	said, err := w.engine(ctx, host, "ps", "-q", "--no-trunc", "--filter", "label=com.docker.swarm.service.name="+service)
	ids := strings.Fields(said)
	if err == nil && len(ids) != n {
		err = fmt.Errorf("%s does not run on %s yet", service, host)
	}
	return ids, err
}

func (w *wires) engine(ctx context.Context, host string, args ...string) (string, error) {
	return w.lab.Host(host).Exec(ctx, append([]string{"docker", "-H", "unix:///run/docker.sock"}, args...)...)
}

// route is one way to the server: who asks, and what.
type route struct {
	w     *wires
	asker string // a container; empty: the client outside
	to    string
}

// direct is by the task's own address, balanced by the service's virtual address or its name, outside by a published port.
func (w *wires) direct() route            { return route{w, w.askers[0], w.task} }
func (w *wires) balanced(to string) route { return route{w, w.askers[1], to} }
func (w *wires) encrypted() route         { return route{w, w.sealedAsker, w.sealed} }
func (w *wires) outside(to string) route  { return route{w, "", to} }

// measure asks for a second.
func (r route) measure(ctx context.Context, k kind) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	args := append([]string{"load", "-for", measureFor.String(), "-timeout", "20s"}, k.args...)
	args = append(args, "http://"+r.to+":"+benchPort+k.page)
	from := r.w.lab.Client()
	argv := append([]string{r.w.whoami}, args...)
	if r.asker != "" {
		from = r.w.lab.Host("m1")
		argv = append([]string{"docker", "-H", "unix:///run/docker.sock", "exec", r.asker, "/whoami"}, args...)
	}
	said, err := from.Exec(ctx, argv...)
	if err != nil {
		return 0, err
	}
	var report load.Report
	if err := json.Unmarshal([]byte(said), &report); err != nil {
		return 0, fmt.Errorf("reading %q: %w", said, err)
	}
	if report.Failures > 0 {
		return 0, fmt.Errorf("requests failed: %v", &report)
	}
	return k.rate(&report), nil
}

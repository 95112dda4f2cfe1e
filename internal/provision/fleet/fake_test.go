package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skep-org/skep/internal/provision"
	"github.com/skep-org/skep/packaging"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is hosts with systemd that record what is done on them, and the cluster they are.
type world struct {
	mu     sync.Mutex
	hosts  map[string]*fakeHost
	leader string
	done   []string // NAME: what was done
}

// fakeHost is one host. Its daemon serves as much of the API as is asked of it.
type fakeHost struct {
	w    *world
	name string

	lost    bool
	hangs   bool // what is run there does not end
	broken  bool // a restarted daemon does not come back
	engine  bool
	staged  string
	program string
	running string
	unit    string
	role    swarm.NodeRole // empty: in no cluster
}

func (w *world) note(name, what string) { w.done = append(w.done, name+": "+what) }

// Open implements provision.Driver.
func (w *world) Open(_ context.Context, m provision.Machine) (provision.Host, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hosts[m.Host]
	if h == nil || h.lost {
		return nil, fmt.Errorf("connecting to %s: no route to host", m.Host)
	}
	return h, nil
}

func (h *fakeHost) Close() error { return nil }

func (h *fakeHost) Shell(context.Context, []string, provision.Terminal) error { return nil }

// Run knows the scripts by what is in them.
func (h *fakeHost) Run(ctx context.Context, script string, in io.Reader, out io.Writer) error {
	if strings.Contains(script, DialCommand) {
		return h.serve(ctx, in, out)
	}
	if h.hangs {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	switch {
	case script == provision.Survey():
		return h.survey(out)
	case strings.Contains(script, "doctor"):
		return json.NewEncoder(out).Encode(map[string]any{"facts": map[string]any{"at": time.Now(), "engine": map[string]any{"err": map[bool]string{false: "no such file"}[h.engine]}}})
	case script == provision.TakeCopy():
		text, err := io.ReadAll(in)
		h.staged = textSum(text)
		h.w.note(h.name, "copied")
		return err
	case strings.Contains(script, "apt-get"):
		h.w.note(h.name, "apt-get")
	case strings.Contains(script, "enable --now docker"):
		h.engine = true
		h.w.note(h.name, "engine started")
	case strings.Contains(script, "mv -f "+provision.Staged):
		h.program, h.staged = h.staged, ""
		h.w.note(h.name, "program installed")
	case strings.Contains(script, "skep.service.new"):
		text, err := io.ReadAll(in)
		h.unit = textSum(text)
		h.w.note(h.name, fmt.Sprintf("unit of %d bytes", len(text)))
		return err
	case strings.Contains(script, "systemctl disable --now"):
		h.running = ""
		h.w.note(h.name, "stopped")
	case strings.Contains(script, "rm -f "+provision.Program):
		h.program, h.staged, h.unit = "", "", ""
		h.w.note(h.name, "removed")
	case strings.Contains(script, "systemctl enable --quiet skep"):
		h.w.note(h.name, "enabled")
	case strings.Contains(script, "systemctl start skep"), strings.Contains(script, "systemctl restart skep"):
		h.w.note(h.name, strings.TrimSpace(script))
		h.running = h.program
		if h.broken {
			h.running = ""
		}
		if h.w.leader == h.name { // it hands over
			for name, other := range h.w.hosts {
				if other.role == swarm.NodeRoleManager && name != h.name {
					h.w.leader = name
				}
			}
		}
	default:
		h.w.note(h.name, "UNKNOWN "+script)
	}
	return nil
}

func textSum(b []byte) string { return text(string(b)).Sum }

func (h *fakeHost) survey(out io.Writer) error {
	_, err := fmt.Fprintf(out, "system=Linux\nmachine=%s\nos=debian\npackages=apt-get\ninit=systemd\nstaged=%s\nprogram=%s\nrunning=%s\nunit=%s\n", machineHere(), h.staged, h.program, h.running, h.unit)
	if h.engine {
		_, err = io.WriteString(out, "engine=yes\n")
	}
	if h.unit != "" {
		_, err = io.WriteString(out, "boot=yes\n")
	}
	return err
}

func machineHere() string {
	out, _ := exec.Command("uname", "-m").Output()
	return strings.TrimSpace(string(out))
}

// oneConn is a listener of one connection.
type oneConn struct{ conns chan net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{} }

// serve is the daemon's socket.
func (h *fakeHost) serve(ctx context.Context, in io.Reader, out io.Writer) error {
	h.w.mu.Lock()
	up := h.running != ""
	h.w.mu.Unlock()
	if !up {
		return fmt.Errorf("no daemon")
	}
	here, there := net.Pipe()
	l := &oneConn{conns: make(chan net.Conn, 1)}
	l.conns <- there
	srv := &http.Server{Handler: h.api()}
	var busy sync.WaitGroup
	busy.Go(func() { _ = srv.Serve(l) })
	busy.Go(func() { _, _ = io.Copy(here, in); _ = here.Close() })
	stop := context.AfterFunc(ctx, func() { _ = here.Close() })
	_, _ = io.Copy(out, here)
	stop()
	_ = here.Close()
	if c, ok := in.(io.Closer); ok {
		_ = c.Close()
	}
	close(l.conns)
	_ = srv.Close()
	busy.Wait()
	return nil
}

func (h *fakeHost) api() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h.w.mu.Lock()
		defer h.w.mu.Unlock()
		rw.Header().Set("Api-Version", "1.41")
		rw.Header().Set("Content-Type", "application/json")
		var answer any = map[string]string{}
		path := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		switch {
		case r.Method == http.MethodDelete:
			h.w.hosts[path].role = ""
			h.w.note(h.name, "removed node "+path)
		case path == "info":
			answer = h.info()
		case path == "nodes":
			answer = h.w.nodes()
		case path == "swarm":
			answer = swarm.Swarm{JoinTokens: swarm.JoinTokens{Worker: "worker", Manager: "manager"}}
		case path == "init":
			h.role, h.w.leader = swarm.NodeRoleManager, h.name
			h.w.note(h.name, "founded the cluster")
			answer = h.name
		case path == "join":
			var req swarm.JoinRequest
			_ = json.NewDecoder(r.Body).Decode(&req)
			h.role = swarm.NodeRole(req.JoinToken)
			h.w.note(h.name, fmt.Sprintf("joined as %s at %v", req.JoinToken, req.RemoteAddrs))
		}
		_ = json.NewEncoder(rw).Encode(answer)
	})
}

func (h *fakeHost) info() system.Info {
	var info system.Info
	info.Swarm.LocalNodeState = swarm.LocalNodeStateInactive
	if h.role != "" {
		info.Swarm = swarm.Info{NodeID: h.name, LocalNodeState: swarm.LocalNodeStateActive}
	}
	if h.role == swarm.NodeRoleManager {
		info.Swarm.ControlAvailable, info.Swarm.Cluster = true, &swarm.ClusterInfo{ID: "c"}
		info.Swarm.RemoteManagers = []swarm.Peer{{NodeID: h.name, Addr: h.name + ":2377"}}
	}
	return info
}

func (w *world) nodes() []swarm.Node {
	var all []swarm.Node
	for name, h := range w.hosts {
		if h.role == "" {
			continue
		}
		n := swarm.Node{ID: name, Description: swarm.NodeDescription{Hostname: name}, Status: swarm.NodeStatus{State: swarm.NodeStateReady}}
		if h.running == "" {
			n.Status.State = swarm.NodeStateDown
		}
		if h.role == swarm.NodeRoleManager {
			n.ManagerStatus = &swarm.ManagerStatus{Leader: w.leader == name, Reachability: swarm.ReachabilityReachable, Addr: name + ":2377"}
		}
		all = append(all, n)
	}
	return all
}

// fleetOf is hosts, made machines. The program is any: hosts are not this machine's.
func fleetOf(t *testing.T, hosts ...*fakeHost) (*Fleet, *world, *bytes.Buffer) {
	t.Helper()
	w := &world{hosts: map[string]*fakeHost{}}
	for _, h := range hosts {
		h.w = w
		w.hosts[h.name] = h
	}
	path := filepath.Join(t.TempDir(), "skep")
	require.NoError(t, os.WriteFile(path, []byte("new"), 0o755))
	progress := &bytes.Buffer{}
	f := &Fleet{
		Store: Store{Dir: filepath.Join(t.TempDir(), "machines")}, Drivers: map[string]provision.Driver{provision.SSH: w},
		Programs: Programs{machineHere(): {Path: path, Sum: textSum([]byte("new")), Size: 3, Machine: machineHere()}}, Progress: progress,
	}
	return f, w, progress
}

func machinesOf(roles ...string) []provision.Machine {
	var all []provision.Machine
	for _, r := range roles {
		name, role, _ := strings.Cut(r, " ")
		all = append(all, provision.Machine{Name: name, Driver: provision.SSH, Host: name, Role: provision.Role(role)})
	}
	return all
}

// node is a host that is a node, and runs the program before.
func nodeHost(name string, role swarm.NodeRole) *fakeHost {
	return &fakeHost{name: name, engine: true, program: "old", running: "old", unit: text(packaging.Service()).Sum, role: role}
}

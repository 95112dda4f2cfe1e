package clients

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/lab/differential/side"
	"github.com/skep-org/skep/internal/lab/engine"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// discovered are the services that Prometheus is to find: with and without ports and networks, in each mode.
var discovered = []string{
	"docker swarm init --advertise-addr 192.0.2.10 >/dev/null",
	"docker node update --label-add zone=a $(docker node ls -q) >/dev/null",
	"docker network create -d overlay --label net=1 over >/dev/null",
	"docker network create -d overlay --internal inner >/dev/null",
	"docker service create -q -d --no-resolve-image --restart-condition none --name web --label prometheus.port=8080 --container-label app=web --network over --network inner --replicas 2 -p 8080:80 " + image + " wait",
	"docker service create -q -d --no-resolve-image --restart-condition none --name round --endpoint-mode dnsrr --network over --update-parallelism 3 -p mode=host,published=8081,target=81,protocol=udp " + image + " wait",
	"docker service create -q -d --no-resolve-image --restart-condition none --name agent --mode global -p mode=host,published=8082,target=82 " + image + " wait",
	"docker service create -q -d --no-resolve-image --restart-condition none --name bare --hostname host-of-bare " + image + " wait",
}

// TestPrometheus has Prometheus discover services, tasks and nodes on both sides.
func TestPrometheus(t *testing.T) {
	needPeer(t)
	prometheus := prometheus(t)
	sides := both(t)
	for _, s := range sides {
		for _, l := range discovered {
			line(t, s, l)
		}
	}
	for _, role := range []string{"services", "tasks", "nodes"} {
		var found [][]string
		for _, s := range sides {
			found = append(found, targets(t, prometheus, s, role))
		}
		same(t, "Prometheus with role: "+role, found[0], found[1])
		t.Logf("role %s: %d targets", role, len(found[0]))
	}
}

// prometheus is the program: the installed one, or that of Debian's package, unpacked, since installing it starts it.
func prometheus(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("prometheus"); err == nil {
		return path
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "apt-get download prometheus >/dev/null 2>&1 && dpkg-deb -x prometheus_*.deb .")
	cmd.Dir = dir
	path := filepath.Join(dir, "usr/bin/prometheus")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("skipped: Prometheus is not installed, and its Debian package cannot be had: %v: %s", err, out)
	}
	return path
}

// targets are what Prometheus discovers with a role, a line each, when that has come to rest.
func targets(t *testing.T, prometheus string, s *side.Side, role string) []string {
	t.Helper()
	dir := t.TempDir()
	config := fmt.Sprintf("scrape_configs:\n- job_name: %s\n  dockerswarm_sd_configs:\n  - {host: %q, role: %s, refresh_interval: 1s}\n", role, s.Host, role)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	// Bounded, not ended with its parent: that would be the thread that started it, and dialling elsewhere ends threads.
	cmd := exec.CommandContext(ctx, "sh", "-c", `ip link set lo up && exec timeout 15m "$@"`, "sh", prometheus,
		"--config.file="+file, "--storage.tsdb.path="+dir, "--web.listen-address=127.0.0.1:9090")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // it was killed
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("Prometheus says:\n%s", text[max(0, len(text)-2000):])
		}
	}()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return engine.DialIn(ctx, "/proc/"+strconv.Itoa(cmd.Process.Pid)+"/ns/net", network, addr)
	}}}
	var last []string
	equal := 0
	hoststest.Eventually(t, limit, func() string {
		found, err := discover(ctx, client)
		if err != nil || len(found) == 0 {
			return fmt.Sprintf("Prometheus finds nothing on %s as %s: %v", s.Name, role, err)
		}
		if slices.Equal(found, last) {
			equal++
		} else {
			last, equal = found, 0
		}
		if equal < 10 {
			return "Prometheus still finds other targets"
		}
		return ""
	})
	return last
}

// discover asks Prometheus for its targets.
func discover(ctx context.Context, client *http.Client) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:9090/api/v1/targets", nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	type target struct {
		DiscoveredLabels map[string]string `json:"discoveredLabels"`
	}
	var answer struct {
		Data struct {
			ActiveTargets  []target `json:"activeTargets"`
			DroppedTargets []target `json:"droppedTargets"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if len(answer.Data.DroppedTargets) > 0 {
		return nil, errors.New("Prometheus dropped targets, though nothing told it to") //nolint:staticcheck // its name
	}
	var all []string
	for _, t := range answer.Data.ActiveTargets {
		text, err := json.Marshal(t.DiscoveredLabels) // in the labels' order
		if err != nil {
			return nil, err
		}
		all = append(all, without(string(text)))
	}
	slices.Sort(all)
	return all, nil
}

// random is what no two clusters have in common: ids, addresses, and of the tasks how they fared on a kernel that Docker's
// own load balancing needs more of than there is here.
var random = regexp.MustCompile(`\b[0-9a-f]{64}\b|\b[0-9a-z]{25}\b|\b\d+\.\d+\.\d+\.\d+(/\d+)?|"__meta_dockerswarm_task_state":"[a-z]+"|"__meta_dockerswarm_task_container_id":"[^"]*"`)

func without(line string) string {
	return random.ReplaceAllStringFunc(line, func(m string) string {
		if name, _, ok := strings.Cut(m, `":`); ok {
			return name + `":"…"`
		}
		if strings.Contains(m, ".") {
			return "ADDRESS"
		}
		return "ID"
	})
}

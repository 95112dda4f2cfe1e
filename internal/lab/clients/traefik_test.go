package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/lab/differential/side"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// traefikVersion is the release whose provider is built.
const traefikVersion = "v3.7.13"

var withTraefik = flag.Bool("traefik", false, "build Traefik's swarm provider from the Go module proxy, which takes many minutes the first time, and try it")

// TestTraefik has Traefik's swarm provider make its configuration of both sides' services.
func TestTraefik(t *testing.T) {
	if !*withTraefik {
		t.Skip("skipped: Traefik's swarm provider is built and tried with -traefik only, it takes many minutes")
	}
	provider := traefik(t)
	sides := both(t)
	var said [][]string
	for _, s := range sides {
		line(t, s, "docker swarm init --advertise-addr 192.0.2.10 >/dev/null && docker network create -d overlay public >/dev/null")
		for _, l := range []string{
			"--name web --replicas 2 --network public --label traefik.enable=true --label 'traefik.http.routers.web.rule=Host(`web.example.org`)' --label traefik.http.services.web.loadbalancer.server.port=8080",
			"--name vip --network public --label traefik.enable=true --label traefik.swarm.lbswarm=true --label traefik.http.services.vip.loadbalancer.server.port=80",
			"--name hidden --network public --label traefik.enable=false",
			"--name ports -p mode=host,published=8085,target=85 --label traefik.http.services.ports.loadbalancer.server.port=85",
		} {
			line(t, s, "docker service create -q -d --no-resolve-image "+l+" "+image+" wait >/dev/null")
		}
		hoststest.Eventually(t, limit, func() string {
			if out := line(t, s, "docker service ls --format '{{.Replicas}}'"); strings.Contains(out, "0/") || strings.Contains(out, "1/2") {
				return s.Name + ": not all services run: " + out
			}
			return ""
		})
		said = append(said, configured(t, provider, s))
	}
	same(t, "Traefik", said[0], said[1])
}

// traefik builds the program of testdata/traefik in a module of its own.
func traefik(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	source, err := os.ReadFile("testdata/traefik/main.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"main.go": source,
		"go.mod":  []byte("module provider\n\nrequire github.com/traefik/traefik/v3 " + traefikVersion + "\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"mod", "tidy"}, {"build", "-o", "provider", "."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("skipped: Traefik %s cannot be built: go %s: %v: %s", traefikVersion, args[0], err, out[max(0, len(out)-500):])
		}
	}
	return filepath.Join(dir, "provider")
}

var servers = regexp.MustCompile(`\b\d+\.\d+\.\d+\.\d+\b`)

// configured is the configuration that the provider makes, a line of it each, without addresses.
func configured(t *testing.T, provider string, s *side.Side) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, provider, s.Host, "public")
	cmd.WaitDelay = time.Second
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("Traefik's provider on %s: %v: %s", s.Name, err, errs.Bytes())
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, out, "", " "); err != nil {
		t.Fatal(err)
	}
	return strings.Split(servers.ReplaceAllString(indented.String(), "ADDRESS"), "\n")
}

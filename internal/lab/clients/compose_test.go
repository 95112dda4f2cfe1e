package clients

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/lab/differential/side"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// project is what docker-compose brings up: containers of the node's own engine, which reach services of the cluster by
// its attachable network.
const project = `
version: "3.8"
services:
  app:
    image: ` + image + `
    command: ["serve", "8080"]
    environment: {GREETING: hello}
    networks: [default, cluster]
    volumes: ["files:/files"]
    healthcheck: {test: ["CMD", "/testimage", "hosts"], interval: 1s}
  helper:
    image: ` + image + `
    command: ["print", "a line of the helper"]
    depends_on: [app]
networks:
  default: {}
  cluster: {external: true, name: over}
volumes:
  files: {}
`

// composed are the lines run on both sides; what they say is compared.
var composed = []string{
	"docker-compose up -d",
	"docker-compose ps",
	"docker-compose exec -T app /testimage env",
	"docker-compose exec -T app /testimage lookup app",
	"docker-compose exec -T app /testimage write /files/a text",
	"docker-compose run --rm app get http://app:8080/x",
	"docker-compose logs --no-color helper",
	"docker-compose exec -T app /testimage lookup tasks.web",
	"docker-compose stop -t 1 helper",
	"docker-compose up -d --scale helper=2",
	"docker-compose ps -q | wc -l",
	"docker-compose config --services",
	"docker-compose kill",
	"docker-compose down -v -t 1",
	"docker-compose ps -q | wc -l",
}

// TestCompose runs a project of docker-compose on both sides.
func TestCompose(t *testing.T) {
	compose := need(t, "docker-compose", "docker-compose")
	var said [][]string
	for _, s := range both(t) {
		line(t, s, "docker swarm init --advertise-addr 192.0.2.10 >/dev/null && docker network create -d overlay --attachable over >/dev/null")
		line(t, s, "docker service create -q -d --no-resolve-image --name web --network over "+image+" serve >/dev/null")
		hoststest.Eventually(t, limit, func() string {
			if out := line(t, s, "docker service ps --filter desired-state=running --format '{{.CurrentState}}' web"); !strings.HasPrefix(out, "Running") {
				return s.Name + ": the service does not run: " + out
			}
			return ""
		})
		said = append(said, compositions(t, s, compose))
	}
	same(t, "docker-compose", said[0], said[1])
}

// compositions are what the lines say, without what is random.
func compositions(t *testing.T, s *side.Side, compose string) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker-compose.yml"), []byte(project), 0o600); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, l := range composed {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		cmd := exec.CommandContext(ctx, "sh", "-c", l)
		cmd.Dir = dir
		cmd.WaitDelay = time.Second
		cmd.Env = []string{"PATH=" + filepath.Dir(compose) + ":/usr/bin:/bin", "HOME=" + dir, "DOCKER_HOST=" + s.Host, "COMPOSE_PROJECT_NAME=project", "COLUMNS=120"}
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			t.Errorf("%s: %s: %v: %s", s.Name, l, err, out)
		}
		var texts []string
		for text := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
			texts = append(texts, strings.TrimSpace(free.ReplaceAllStringFunc(text, func(m string) string {
				if strings.HasPrefix(m, " ") {
					return " "
				}
				return "…"
			})))
		}
		slices.Sort(texts) // what is done to several containers at a time is told as it happens
		all = append(append(all, "$ "+l), texts...)
	}
	return all
}

// free is what no two runs have in common, also the lines below a table's head, as long as what is above, and the spinner that the terminal does not get.
var free = regexp.MustCompile(`-{3,}|\b[0-9a-f]{12}\b|\b\d+\.\d+\.\d+\.\d+\b|[0-9a-f]{32,64}|  +|Up \([a-z: ]+\)|\x1b\[[0-9;]*[A-Za-z]`)

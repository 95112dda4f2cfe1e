package stacks

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/engine"
	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// projects is the directory of the Compose files in the form people write them.
const projects = "../../../testdata/projects"

// fewProjects are tried where -all is not given: a build with all that goes with it, files that include others, and a job
// that is waited for.
var fewProjects = []string{"minio", "monorepo", "shop"}

// TestProjects deploys what people write for docker compose, by skep stack deploy on two managers and a worker.
func TestProjects(t *testing.T) {
	names := projectNames(t)
	wanted := fewProjects
	switch {
	case *only != "":
		wanted = strings.Split(*only, ",")
	case *all:
		wanted = names
	}
	wanted = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(wanted, name) })
	if len(wanted) == 0 {
		t.Skip("skipped: -only names stacks")
	}
	hoststest.NeedRoot(t)
	named := projectImages(t, wanted)
	cfg := hosts.Config{Managers: 2, Workers: 1, Program: *program}
	if cfg.Program == "" {
		cfg.Program = hoststest.Build(t, "skep")
	}
	s := newScene(t, cfg, func(s *scene, ctx context.Context, h *hosts.Host) error { return s.loadPrograms(ctx, h, named) })
	s.use(installed(t))
	if err := os.Symlink(cfg.Program, filepath.Join(s.bin, "skep")); err != nil {
		t.Fatal(err)
	}
	t.Run("all", func(t *testing.T) { // which ends when the last of them does
		for _, name := range wanted {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(filepath.Join(projects, name))); err != nil {
					t.Fatal(err)
				}
				tr := &trial{scene: s, t: t, name: name, dir: dir, skep: true}
				tr.through(trialOf(t, dir))
			})
		}
	})
}

func projectNames(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(projects, "*", "trial.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 10 {
		t.Errorf("there are %d projects, ten were promised", len(found))
	}
	var all []string
	for _, f := range found {
		all = append(all, filepath.Base(filepath.Dir(f)))
	}
	return all
}

var (
	projectImage = regexp.MustCompile(`(?m)^\s*(?:FROM|image:) +(.+?)(?: AS \w+)?$`)
	variable     = regexp.MustCompile(`\$\{(\w+)(?::?-([^}]*)|[^}]*)\}`)
)

// projectImages are the names of all images that the projects' files begin with, their variables filled in.
func projectImages(t *testing.T, names []string) []string {
	t.Helper()
	var out []string
	for _, name := range names {
		dir := filepath.Join(projects, name)
		env, _ := os.ReadFile(filepath.Join(dir, ".env")) // few have one
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range projectImage.FindAllStringSubmatch(string(text), -1) {
				image := variable.ReplaceAllStringFunc(m[1], func(v string) string {
					m := variable.FindStringSubmatch(v)
					for line := range strings.Lines(string(env)) {
						if value, ok := strings.CutPrefix(strings.TrimSpace(line), m[1]+"="); ok {
							return value
						}
					}
					return m[2]
				})
				out = append(out, strings.Trim(image, `"'`))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	out = append(out, "example/client:2") // what a trial goes over to
	slices.Sort(out)
	built := []string{"base", "build", "monorepo/web:", "shop-app"} // names of stages, and of what is built
	return slices.DeleteFunc(slices.Compact(out), func(name string) bool { return slices.Contains(built, name) })
}

// programs are what the images have that health checks and commands of the projects call.
func programs() []string {
	return []string{"caddy", "curl", "docker-entrypoint.sh", "cron.sh", "go", "gunicorn", "healthcheck.sh", "mc", "mysqladmin", "node", "npm",
		"pg_isready", "pip", "python", "rabbitmq-diagnostics", "redis-cli", "redis-server", "wget"}
}

// loadPrograms gives a host one image under all names: a server on all ports.
func (s *scene) loadPrograms(ctx context.Context, h *hosts.Host, names []string) error {
	files := []engine.File{{Path: "/standin", From: s.standin}, {Path: "/bin/sh", Link: "/standin"}, {Path: "/cron.sh", Link: "/standin"}}
	for _, name := range programs() {
		files = append(files, engine.File{Path: "/usr/local/bin/" + name, Link: "/standin"})
	}
	id, err := engine.ImportImage(ctx, h.Engine(), "standin:any", files, `ENTRYPOINT ["docker-entrypoint.sh"]`,
		"ENV PATH=/usr/local/bin:/bin")
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := h.Engine().ImageTag(ctx, client.ImageTagOptions{Source: id, Target: name}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// deployLimit is for a build, what it starts, and a machine that is busy.
const deployLimit = 4 * time.Minute

// skepDeploy deploys with words of a step: variables and flags.
func (tr *trial) skepDeploy(words []string) (string, error) {
	var env, args []string
	for _, w := range words {
		if name, _, ok := strings.Cut(w, "="); ok && !strings.HasPrefix(name, "-") {
			env = append(env, w)
		} else {
			args = append(args, w)
		}
	}
	ctx, cancel := context.WithTimeout(tr.t.Context(), deployLimit)
	defer cancel()
	line := "skep stack deploy --resolve-image never --timeout 2m " + strings.Join(args, " ") + " " + tr.name
	began := time.Now()
	out, err := tr.shell(ctx, "m1", tr.dir, line, env...)
	tr.t.Logf("%s (%.1f s)\n%s", line, time.Since(began).Seconds(), out)
	return out, err
}

// deployProject deploys, and then the same once more.
func (tr *trial) deployProject(words []string) {
	tr.t.Helper()
	tr.said = words
	out, err := tr.skepDeploy(words)
	if err != nil || !strings.Contains(out, "Stack "+tr.name+" is what the files say") {
		tr.t.Fatalf("it does not become what the files say: %v", err)
	}
	tr.cids = nil
	if tr.seen == nil {
		tr.seen = tr.tasks()
	}
	tr.same()
}

// same deploys what was deployed last: nothing is written, built or started anew.
func (tr *trial) same() {
	tr.t.Helper()
	before := tr.tasks()
	out, err := tr.skepDeploy(tr.said)
	if err != nil || !strings.Contains(out, "Nothing to change in stack "+tr.name) || strings.Contains(out, "Building") {
		tr.t.Errorf("the same once more is a change: %v", err)
	}
	tr.untouched(before)
}

func (tr *trial) refused(st step) {
	tr.t.Helper()
	before := tr.tasks()
	out, err := tr.skepDeploy(tr.said)
	if err == nil || !st.want.MatchString(out) {
		tr.t.Errorf("%v: it was to be refused with %q: %v", st, st.want, err)
	}
	tr.untouched(before)
}

func (tr *trial) untouched(before map[string]map[string]bool) {
	tr.t.Helper()
	for name, now := range tr.tasks() {
		if !maps.Equal(before[name], now) {
			tr.t.Errorf("%s had the tasks %v and has %v", name, keys(before[name]), keys(now))
		}
	}
}

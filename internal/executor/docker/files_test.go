package docker_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor/docker"
	"github.com/skep-org/skep/internal/model"
	"golang.org/x/sys/unix"
)

// TestRemoveFiles: what was mounted for secrets goes when the node leaves, also when nothing was.
func TestRemoveFiles(t *testing.T) {
	h := newHarness(t, startEngine(t))
	dir := filepath.Join(t.TempDir(), "tasks")
	e, err := docker.New(docker.Options{Host: h.engine.Host(), NodeID: h.node, Files: dir, Env: env.Real()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	if err := e.RemoveFiles(); err != nil {
		t.Error(err)
	}
	id := model.ID(env.Real().NewID()).String()
	task := h.task(&swarm.ContainerSpec{Secrets: []*swarm.SecretReference{{SecretID: id, SecretName: "key", File: &swarm.SecretReferenceFileTarget{Name: "key"}}}})
	task.Secrets = map[string][]byte{id: []byte("x")}
	_, _ = e.Prepare(t.Context(), task) // the private engine does not see this mount; that it is made is what counts here
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil || stat.Type != unix.TMPFS_MAGIC {
		t.Fatalf("nothing was mounted: %x, %v", stat.Type, err)
	}
	if err := e.RemoveFiles(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is left: %v", err)
	}
}

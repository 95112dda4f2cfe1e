package docker

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"golang.org/x/sys/unix"
)

func secretTask(refs ...*swarm.SecretReference) *executor.Task {
	return &executor.Task{
		ID: model.NumID(1), Secrets: map[string][]byte{"id": []byte("hush")},
		Spec: &swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Secrets: refs}},
	}
}

// TestFilesAreInMemory: a directory on a disk gets a tmpfs before a secret is written to it.
func TestFilesAreInMemory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts a tmpfs: run it as root")
	}
	dir := filepath.Join(t.TempDir(), "secrets")
	f := files{dir: dir}
	task := secretTask(&swarm.SecretReference{SecretID: "id", SecretName: "s", File: &swarm.SecretReferenceFileTarget{UID: "3", GID: "4", Mode: 0o640}})
	t.Cleanup(func() { _ = unix.Unmount(dir, 0) })
	out, err := f.write(task, 1000, 2000) // as with user namespaces: containers' root is 1000:2000
	if err != nil {
		t.Fatal(err)
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil || stat.Type != unix.TMPFS_MAGIC {
		t.Errorf("the secrets are on a file system of type %x, %v", stat.Type, err)
	}
	info, err := os.Stat(out[0].Source)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 1003 || owner.Gid != 2004 || info.Mode() != 0o640 {
		t.Errorf("the file is %v of %d:%d", info.Mode(), owner.Uid, owner.Gid)
	}
	again := files{dir: dir}
	if _, err := again.write(task, 1000, 2000); err != nil {
		t.Errorf("writing once more, by a process that started anew: %v", err)
	}
	after, err := os.Stat(out[0].Source)
	if err != nil || !os.SameFile(info, after) || !after.ModTime().Equal(info.ModTime()) {
		t.Errorf("a file that a container may have mounted was written again: %v", err)
	}
	if err := unix.Unmount(dir, 0); err != nil {
		t.Errorf("mounted twice, or still in use: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("below the tmpfs there are %v, %v", entries, err)
	}
}

func TestFilesThatCannotBe(t *testing.T) {
	file := &swarm.SecretReferenceFileTarget{Name: "n"}
	for want, task := range map[string]*executor.Task{
		"no file target":           secretTask(&swarm.SecretReference{SecretID: "id"}),
		"did not reach this node":  secretTask(&swarm.SecretReference{SecretID: "other", SecretName: "s", File: file}),
		`user "root" is not a num`: secretTask(&swarm.SecretReference{SecretID: "id", File: &swarm.SecretReferenceFileTarget{UID: "root"}}),
		`group "-1" is not a numb`: secretTask(&swarm.SecretReference{SecretID: "id", File: &swarm.SecretReferenceFileTarget{GID: "-1"}}),
		"no directory is set":      secretTask(&swarm.SecretReference{SecretID: "id", File: file}),
	} {
		if _, err := (&files{}).write(task, 0, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

package docker

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/docker/translate"
	"github.com/skep-org/skep/internal/model"
	"golang.org/x/sys/unix"
)

// files puts secrets and configs where a container can mount them: in memory, one directory per task.
type files struct {
	dir string

	mu    sync.Mutex
	ready bool
}

// file is one secret or config of a task.
type file struct {
	name     string // on the node
	target   string
	data     []byte
	mode     os.FileMode
	uid, gid int
}

// write makes a task's files. One that is there already stays: a container may have it mounted.
func (f *files) write(t *executor.Task, uid, gid int) ([]translate.File, error) {
	wanted, err := wantedFiles(t)
	if err != nil || len(wanted) == 0 {
		return nil, err
	}
	if err := f.prepare(); err != nil {
		return nil, err
	}
	dir := filepath.Join(f.dir, t.ID.String())
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the directory of the task's secrets: %w", err)
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, fmt.Errorf("giving the directory of the task's secrets to the containers' root: %w", err)
	}
	out := make([]translate.File, 0, len(wanted))
	for _, w := range wanted {
		source := filepath.Join(dir, w.name)
		if err := w.write(source, uid, gid); err != nil {
			return nil, fmt.Errorf("writing the file for %s: %w", w.target, err)
		}
		out = append(out, translate.File{Source: source, Target: w.target})
	}
	return out, nil
}

func (w file) write(path string, uid, gid int) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, w.data) {
		return nil
	}
	if err := os.WriteFile(path, w.data, 0o600); err != nil {
		return err
	}
	// The owner before the mode: nobody else may read it in between.
	if err := os.Chown(path, uid+w.uid, gid+w.gid); err != nil {
		return err
	}
	return os.Chmod(path, w.mode)
}

// remove drops a task's files.
func (f *files) remove(task model.ID) error {
	if f.dir == "" {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(f.dir, task.String())); err != nil {
		return fmt.Errorf("removing the secrets of task %s: %w", task, err)
	}
	return nil
}

// prepare makes sure that the directory is in memory.
func (f *files) prepare() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ready {
		return nil
	}
	if f.dir == "" {
		return errors.New("no directory is set for secrets and configs on this node")
	}
	if err := os.MkdirAll(f.dir, 0o711); err != nil {
		return fmt.Errorf("making the directory for secrets: %w", err)
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(f.dir, &stat); err != nil {
		return fmt.Errorf("looking at %s: %w", f.dir, err)
	}
	if stat.Type != unix.TMPFS_MAGIC && stat.Type != unix.RAMFS_MAGIC {
		if err := unix.Mount("tmpfs", f.dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0711"); err != nil {
			return fmt.Errorf("mounting a tmpfs for secrets at %s: %w", f.dir, err)
		}
	}
	f.ready = true
	return nil
}

func wantedFiles(t *executor.Task) ([]file, error) {
	var out []file
	spec := t.Spec.ContainerSpec
	for i, ref := range spec.Secrets {
		if ref == nil || ref.File == nil {
			return nil, errors.New("a secret reference of the task has no file target")
		}
		w, err := newFile("secret "+ref.SecretName, t.Secrets[ref.SecretID], *ref.File, "/run/secrets/", ref.SecretName)
		if _, ok := t.Secrets[ref.SecretID]; !ok {
			err = fmt.Errorf("secret %s (%s) did not reach this node", ref.SecretName, ref.SecretID)
		}
		if err != nil {
			return nil, err
		}
		w.name = "secret" + strconv.Itoa(i)
		out = append(out, w)
	}
	for i, ref := range spec.Configs {
		if ref == nil || ref.File == nil && ref.Runtime == nil {
			return nil, errors.New("a config reference of the task has no target")
		}
		if ref.File == nil {
			continue // a credential spec: it goes to the engine by another way
		}
		w, err := newFile("config "+ref.ConfigName, t.Configs[ref.ConfigID], swarm.SecretReferenceFileTarget(*ref.File), "/", ref.ConfigName)
		if _, ok := t.Configs[ref.ConfigID]; !ok {
			err = fmt.Errorf("config %s (%s) did not reach this node", ref.ConfigName, ref.ConfigID)
		}
		if err != nil {
			return nil, err
		}
		w.name = "config" + strconv.Itoa(i)
		out = append(out, w)
	}
	return out, nil
}

func newFile(what string, data []byte, target swarm.SecretReferenceFileTarget, dir, name string) (file, error) {
	w := file{data: data, mode: target.Mode.Perm(), target: target.Name}
	if w.target == "" {
		w.target = name
	}
	if !path.IsAbs(w.target) {
		w.target = dir + w.target
	}
	var err error
	if w.uid, err = owner(target.UID); err != nil {
		return w, fmt.Errorf("%s: user %q is not a number", what, target.UID)
	}
	if w.gid, err = owner(target.GID); err != nil {
		return w, fmt.Errorf("%s: group %q is not a number", what, target.GID)
	}
	return w, nil
}

func owner(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err
}

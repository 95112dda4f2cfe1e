package docker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/docker/translate"
	"github.com/skep-org/skep/internal/model"
	"golang.org/x/sys/unix"
)

// files puts secrets and configs where a container can mount them: in memory, one directory per task.
type files struct {
	dir string

	mu     sync.Mutex
	ready  bool
	broken map[model.ID]error // tasks with a template that says nothing: they are not started
}

// write makes a task's files. One that is there already stays: a container may have it mounted.
func (f *files) write(t *executor.Task, facts *facts) ([]translate.File, error) {
	wanted, err := wantedFiles(t)
	if err != nil {
		return nil, err
	}
	f.note(t.ID, expandFiles(t, facts.platform, wanted))
	uid, gid := facts.uid, facts.gid
	wanted = append(wanted, resolver(t)...)
	if len(wanted) == 0 {
		return nil, nil
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

// note remembers why a task is not to be started.
func (f *files) note(task model.ID, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		delete(f.broken, task)
		return
	}
	if f.broken == nil {
		f.broken = map[model.ID]error{}
	}
	f.broken[task] = err
}

// fault is why a task is not to be started, or nil.
func (f *files) fault(task model.ID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken[task]
}

// remove drops a task's files.
func (f *files) remove(task model.ID) error {
	f.note(task, nil)
	if f.dir == "" {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(f.dir, task.String())); err != nil {
		return fmt.Errorf("removing the secrets of task %s: %w", task, err)
	}
	return nil
}

// RemoveFiles gives back the memory that held secrets and configs, for a node that leaves its cluster: no task of it is
// left.
func (e *Executor) RemoveFiles() error {
	f := &e.files
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = false
	if f.dir == "" {
		return nil
	}
	if err := unix.Unmount(f.dir, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmounting %s, which held secrets: %w", f.dir, err)
	}
	if err := os.RemoveAll(f.dir); err != nil {
		return fmt.Errorf("removing the directory of secrets: %w", err)
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

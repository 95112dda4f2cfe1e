package docker

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
)

// file is one secret or config of a task.
type file struct {
	kind, id string // "secret" or "config" of the cluster; empty: neither
	name     string // on the node
	target   string
	data     []byte
	mode     os.FileMode
	uid, gid int
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

// wantedFiles lists what a task mounts of its secrets and configs.
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
		w.kind, w.id, w.name = "secret", ref.SecretID, "secret"+strconv.Itoa(i)
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
		w.kind, w.id, w.name = "config", ref.ConfigID, "config"+strconv.Itoa(i)
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

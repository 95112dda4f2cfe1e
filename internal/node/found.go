package node

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/node/vault"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/store/wal"
)

// found makes a cluster of this one node on disk. Nothing of it is visible until all of it is there.
func found(dataDir string, e env.Env, log *slog.Logger, m membership, f manager.Founding) error {
	dir, err := draftMembership(dataDir)
	if err != nil {
		return err
	}
	v := vault.New(dir, e.Rand)
	// The first row comes at a later version, and says the same.
	if err := v.Lock(vault.Lock{Key: f.UnlockKey, Version: 1}); err != nil {
		return err
	}
	opt, err := walOptions(dir, v, log)
	if err != nil {
		return err
	}
	l, err := wal.Create(opt, raft.Identity{ID: m.RaftID, Node: m.Node.String(), Cluster: m.Cluster.String()})
	if err != nil {
		return err
	}
	cert, err := manager.Found(e, l, f)
	if err = errors.Join(err, l.Close()); err != nil {
		return fmt.Errorf("make a new cluster: %w", err)
	}
	if err := v.Save(cert); err != nil {
		return err
	}
	return adoptMembership(dataDir, m)
}

// openLog opens the raft log of the node's membership.
func openLog(dataDir string, v *vault.Vault, log *slog.Logger) (*wal.Log, error) {
	opt, err := walOptions(filepath.Join(dataDir, swarmDir), v, log)
	if err != nil {
		return nil, err
	}
	return wal.Open(opt)
}

func walOptions(dir string, v *vault.Vault, log *slog.Logger) (wal.Options, error) {
	key, older, err := v.Log()
	return wal.Options{Dir: filepath.Join(dir, raftDir), Key: key, Older: older, Logger: log}, err
}

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/skep-org/skep/internal/durable"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/node/vault"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/store/wal"
	"github.com/skep-org/skep/internal/wire"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// draftRevived writes all of the membership but its own file.
func draftRevived(dataDir string, e env.Env, logger *slog.Logger, s *store.Store, r revival, ms membership) error {
	row := store.TheCluster(s.View())
	epoch := row.Epoch
	dir, err := draftMembership(dataDir)
	if err != nil {
		return err
	}
	v := vault.New(dir, e.Rand)
	if err := v.Lock(vault.Lock{Key: row.UnlockKey, Version: row.Index}); err != nil {
		return err
	}
	opt, err := walOptions(dir, v, logger)
	if err != nil {
		return err
	}
	l, err := wal.Create(opt, raft.Identity{ID: ms.RaftID, Node: ms.Node.String(), Cluster: ms.Cluster.String()})
	if err != nil {
		return err
	}
	keys, err := manager.Revive(e, l, s, manager.Revival{Node: ms.Node, RaftID: ms.RaftID, Advertise: r.advertise})
	if err = errors.Join(err, l.Close()); err != nil {
		return err
	}
	if err := v.Save(keys); err != nil {
		return err
	}
	return keepAssignments(dataDir, r, epoch)
}

// keepAssignments gives the revived node's agent what the old one knew: at least that there was an epoch before, so
// that containers the restored state does not know run on.
func keepAssignments(dataDir string, r revival, epoch uint64) error {
	known, err := os.ReadFile(filepath.Join(dataDir, swarmDir, assignmentsFile))
	if r.old == nil || r.old.Node != r.node || errors.Is(err, fs.ErrNotExist) {
		known, err = proto.Marshal(&wire.Saved{Assignments: &wire.Assignments{Full: true, Epoch: epoch, Version: 1}})
	}
	if err != nil {
		return fmt.Errorf("keep what this node's agent knows: %w", err)
	}
	return fileDisk(filepath.Join(dataDir, swarmNewDir, assignmentsFile)).Save(known)
}

// replaceMembership makes a finished draft the node's membership. One it had before trades places with it, in one step:
// at any moment one of the two is there, whole.
func replaceMembership(dataDir string, ms membership) error {
	draft, present := filepath.Join(dataDir, swarmNewDir), filepath.Join(dataDir, swarmDir)
	if _, err := os.Stat(present); errors.Is(err, fs.ErrNotExist) {
		return adoptMembership(dataDir, ms)
	}
	if err := ms.save(draft); err != nil {
		return err
	}
	return exchangeMembership(dataDir)
}

// exchangeMembership lets the present membership and the draft trade places.
func exchangeMembership(dataDir string) error {
	draft, present := filepath.Join(dataDir, swarmNewDir), filepath.Join(dataDir, swarmDir)
	if err := unix.Renameat2(unix.AT_FDCWD, draft, unix.AT_FDCWD, present, unix.RENAME_EXCHANGE); err != nil {
		return fmt.Errorf("let %s and %s trade places: %w", draft, present, err)
	}
	return durable.SyncDir(dataDir)
}

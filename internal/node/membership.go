package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/skep-org/skep/internal/durable"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/remote"
)

// membership is what a node keeps on disk of the cluster it belongs to. The directory it is in is made under another
// name and renamed when it is complete, so a node belongs to a cluster wholly or not at all.
type membership struct {
	Node, Cluster model.ID
	Manager       bool   // whether raft's directory is there
	RaftID        uint64 // of a manager; another one each time the node becomes one
	ListenAddr    string
	AdvertiseAddr string
	DataPathAddr  string           `json:",omitempty"` // where overlay packets reach the node; empty: at the advertised address
	Managers      []remote.Manager // where managers were reached when the file was written
}

// Names below the data directory.
const (
	swarmDir    = "swarm"
	swarmNewDir = "swarm.new"
	memberFile  = "node.json"
	raftDir     = "raft"
)

// nextSuffix marks files that are being put in place.
const nextSuffix = ".next"

// readMembership returns nil when the node belongs to no cluster.
func readMembership(dataDir string) (*membership, error) {
	path := filepath.Join(dataDir, swarmDir, memberFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read which cluster this node belongs to: %w", err)
	}
	m := &membership{}
	if err := json.Unmarshal(b, m); err != nil || m.Node.IsZero() || m.Cluster.IsZero() {
		return nil, fmt.Errorf("%s does not say which cluster this node belongs to; restore it, or remove the directory to start anew", path)
	}
	return m, nil
}

// draftMembership makes an empty directory for a membership that is being built.
func draftMembership(dataDir string) (string, error) {
	dir := filepath.Join(dataDir, swarmNewDir)
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("remove an unfinished cluster's directory: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, raftDir), 0o700); err != nil {
		return "", fmt.Errorf("make the cluster's directory: %w", err)
	}
	return dir, nil
}

// save writes the membership's file anew.
func (ms membership) save(dir string) error {
	b, err := json.MarshalIndent(ms, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, memberFile)
	if err := durable.Write(path+nextSuffix, append(b, '\n')); err != nil {
		return err
	}
	if err := os.Rename(path+nextSuffix, path); err != nil {
		return err
	}
	return durable.SyncDir(dir)
}

// adoptMembership makes a finished draft the node's membership.
func adoptMembership(dataDir string, m membership) error {
	draft := filepath.Join(dataDir, swarmNewDir)
	if err := m.save(draft); err != nil {
		return err
	}
	if err := os.Rename(draft, filepath.Join(dataDir, swarmDir)); err != nil {
		return fmt.Errorf("keep the cluster's directory: %w", err)
	}
	return durable.SyncDir(dataDir)
}

// dropMembership forgets the cluster. The rename comes first, so that a crash leaves no half of it.
func dropMembership(dataDir string) error {
	old := filepath.Join(dataDir, swarmNewDir)
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("remove an unfinished cluster's directory: %w", err)
	}
	err := os.Rename(filepath.Join(dataDir, swarmDir), old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the cluster: %w", err)
	}
	if err := durable.SyncDir(dataDir); err != nil {
		return err
	}
	return os.RemoveAll(old)
}

package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/backup"
)

// Reviver is a Cluster that can go on with this node as its only manager when the others are lost for good. What it
// returns is the node's id.
type Reviver interface {
	// ForceNew goes on from the state this manager has.
	ForceNew(ctx context.Context, req swarm.InitRequest) (nodeID string, err error)
	// Restore goes on from the state of a backup, which is the callee's from then on.
	Restore(ctx context.Context, state *store.Store, req RestoreRequest) (nodeID string, err error)
}

// RestoreRequest says how a backup is restored.
type RestoreRequest struct {
	ListenAddr, AdvertiseAddr string // empty: as before, or as for a new cluster
	Force                     bool   // give up the state this node has of the same cluster
}

// Restored is what a restore answers.
type Restored struct {
	NodeID  string
	Cluster string
	Epoch   uint64
}

// errNoReviver is for a daemon that cannot.
var errNoReviver = httperr.NotImplemented("beginning a cluster anew is not supported by this version of skep")

// BackupType is the content type of a backup.
const BackupType = "application/vnd.skep.backup"

// backup sends the cluster's state as it is now. A client tells by the checksum at the end whether it got all of it.
func (s *Server) backup(r *request) error {
	v, _, err := r.view()
	if err != nil {
		return err
	}
	c := store.TheCluster(v)
	if c == nil {
		return httperr.NotFound("swarm not found")
	}
	h := backup.Header{Cluster: c.ID.String(), Epoch: c.Epoch, Index: v.Index(), Time: s.Env.Now().UTC(), Version: s.Version}
	r.w.Header().Set("Content-Type", BackupType)
	r.w.WriteHeader(http.StatusOK)
	if err := backup.Write(r.w, h, v.Snapshot); err != nil {
		s.Logger.Warn("a backup could not be sent whole", "err", err)
	}
	return nil
}

func (s *Server) restore(r *request) error {
	reviver, can := s.Cluster.(Reviver)
	if !can {
		return errNoReviver
	}
	q := r.URL.Query()
	req := RestoreRequest{ListenAddr: q.Get("listen-addr"), AdvertiseAddr: q.Get("advertise-addr"), Force: r.flag("force")}
	switch local := s.Cluster.State().Local; {
	case local == swarm.LocalNodeStatePending:
		return httperr.Unavailable("this node is on its way into a cluster: try again in a moment")
	case local != swarm.LocalNodeStateInactive && !req.Force:
		return httperr.Unavailable("this node is part of a cluster: restore on one that is not, or give up what this one has of it with --force")
	}
	state, err := readBackup(r)
	if err != nil {
		return err
	}
	id, err := reviver.Restore(r.Context(), state, req)
	if err != nil {
		return err
	}
	c := store.TheCluster(state.View())
	return r.json(http.StatusOK, Restored{NodeID: id, Cluster: c.ID.String(), Epoch: c.Epoch})
}

// readBackup reads the whole of a backup and believes nothing of it before its end.
func readBackup(r *request) (*store.Store, error) {
	b, err := backup.Open(r.Body)
	if err == nil {
		state := store.New()
		if err = state.Restore(b); err == nil {
			err = ended(b)
		}
		if err == nil {
			return state, nil
		}
	}
	switch {
	case errors.Is(err, backup.ErrNoBackup), errors.Is(err, backup.ErrDamaged):
		return nil, httperr.BadRequest("the backup cannot be restored: %s", err)
	}
	return nil, httperr.BadRequest("the backup cannot be read: %s", err)
}

// ended checks that a backup has no more state than was read, and a checksum that is right.
func ended(b *backup.Reader) error {
	n, err := b.Read(make([]byte, 1))
	switch {
	case n > 0:
		return fmt.Errorf("it holds more than a state: %w", backup.ErrDamaged)
	case errors.Is(err, io.EOF):
		return nil
	}
	return err
}

// forceNewCluster is `docker swarm init --force-new-cluster`.
func (s *Server) forceNewCluster(r *request, req swarm.InitRequest) error {
	reviver, can := s.Cluster.(Reviver)
	if !can {
		return errNoReviver
	}
	switch s.Cluster.State().Local {
	case swarm.LocalNodeStateInactive:
		return httperr.Unavailable("This node is not part of a swarm: --force-new-cluster goes on from the state of a manager. To go on from a backup: skep restore FILE")
	case swarm.LocalNodeStateLocked:
		return httperr.Unavailable(notManager) // Docker's answer; the state can be read once it is unlocked
	case swarm.LocalNodeStatePending:
		return httperr.Unavailable("this node is on its way into a cluster: try again in a moment")
	}
	id, err := reviver.ForceNew(r.Context(), req)
	if err != nil {
		return err
	}
	return r.json(http.StatusOK, id)
}

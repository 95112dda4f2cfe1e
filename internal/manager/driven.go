package manager

import (
	"log/slog"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/store"
)

// Replicated is the tables as what the log's entries build, and the committer that proposes entries. [Manager] drives
// it in production; whoever owns a [raft.Machine], as the simulator does, drives it the same way.
type Replicated = replicated

// NewReplicated makes the state machine of a log. propose hands an entry to the log's machine.
func NewReplicated(s *store.Store, e env.Env, log *slog.Logger, propose func([]byte) error) (*Replicated, error) {
	r, err := newReplicated(s, e, log)
	if err != nil {
		return nil, err
	}
	r.propose = propose
	return r, nil
}

package authority

import (
	"context"
	"errors"
	"fmt"

	"github.com/skep-org/skep/internal/store"
)

// settle decides over a fresh view and commits what was decided, again when what the decision stood on was changed
// meanwhile. A decision without a batch needs none.
func (a *Authority) settle(ctx context.Context, decide func(store.View) (*store.Batch, error)) error {
	var err error
	for range tries {
		v, ferr := a.opt.State.Fresh(ctx)
		if ferr != nil {
			return ferr
		}
		if store.TheCluster(v) == nil || store.TheRoot(v) == nil {
			return errNoCluster
		}
		batch, derr := decide(v)
		if derr != nil || batch == nil {
			return derr
		}
		_, err = a.opt.State.Commit(batch).Wait(ctx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrNotFound) {
			break
		}
	}
	return fmt.Errorf("the node's certificate could not be recorded, so it is not given out; ask again: %w", err)
}

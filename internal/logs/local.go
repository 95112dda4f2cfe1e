package logs

import (
	"context"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Local is the output of the tasks on one node. It implements [Source]; of tasks on other nodes it says that it cannot
// ask them.
type Local struct {
	Node     model.ID
	Executor executor.Executor
	Store    *store.Store
}

var _ Source = Local{}

// Logs implements [Source].
func (l Local) Logs(ctx context.Context, sel Selector, opts Options) (Stream, error) {
	return Cluster{Local: l}.Logs(ctx, sel, opts)
}

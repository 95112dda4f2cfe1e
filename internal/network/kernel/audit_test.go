package kernel

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"

	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAllAtOnce audits while things change: nothing is missed for good, and nothing is repaired that is right.
func TestAllAtOnce(t *testing.T) {
	w, a, b := busy(t)
	n := w.nodes[0]
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex // of the plan, which the engine's calls do not need
	want := n.plan()
	wg.Go(func() {
		for ctx.Err() == nil {
			mu.Lock()
			last := want
			mu.Unlock()
			if _, err := n.k.Audit(ctx, last); !errors.Is(err, context.Canceled) && !errors.Is(err, ErrChanging) {
				assert.NoError(t, err)
			}
		}
	})
	red := w.net("red")
	wg.Go(func() {
		l := network.Link{Endpoint: id(77), Network: red.ID, Addr: netip.MustParsePrefix("10.100.2.77/24")}
		for range 20 {
			_, err := n.k.Attach(t.Context(), red, l, 1450)
			assert.NoError(t, err)
			assert.NoError(t, n.k.Detach(t.Context(), l))
		}
	})
	for i := range 40 {
		w.serve(b, "red", i%2 == 0)
		w.serve(b, "ingress", i%3 == 0)
		next := n.plan()
		require.NoError(t, n.k.Sync(t.Context(), next))
		mu.Lock()
		want = next
		mu.Unlock()
	}
	stop()
	wg.Wait()
	w.serve(b, "red", true)
	w.serve(b, "ingress", true)
	w.sync()
	w.check()
	w.works(t, a, b)
}

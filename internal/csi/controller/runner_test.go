package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/api/types/volume"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager/volumes"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// one commits batches of many goroutines one after the other.
type one struct {
	mu sync.Mutex
	store.Direct
}

func (o *one) Commit(b *store.Batch) *store.Pending {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Direct.Commit(b)
}

// driver does what its volumes' names say.
type driver struct {
	mu    sync.Mutex
	calls map[string]int
}

func (d *driver) Call(ctx context.Context, c volumes.Call, _ map[string]string) volumes.Outcome {
	d.mu.Lock()
	d.calls[c.Volume.Name]++
	n := d.calls[c.Volume.Name]
	d.mu.Unlock()
	switch {
	case strings.HasPrefix(c.Volume.Name, "hangs"):
		<-ctx.Done()
		return volumes.Outcome{Err: ctx.Err()}
	case strings.HasPrefix(c.Volume.Name, "fails") && n <= 3:
		return volumes.Outcome{Err: errors.New("it is broken")}
	}
	return volumes.Outcome{Handle: "made-" + c.Volume.Name}
}

func (d *driver) count(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[name]
}

func world(t *testing.T, names ...string) (*store.Store, *one, map[string]model.ID) {
	s := store.New()
	c := &one{Direct: store.Direct{Store: s, Now: time.Now}}
	ids := map[string]model.ID{}
	for i, name := range names {
		id := model.NumID(uint64(i + 1))
		ids[name] = id
		of, _, _ := strings.Cut(name, "@")
		spec := volume.CreateRequest{Name: name, Driver: "d-" + of, ClusterVolumeSpec: &volume.ClusterVolumeSpec{}}
		for by, change := range map[store.Writer]store.Change{
			store.WriterAPI:     store.Volumes.Put(&model.Volume{ID: id, Name: name, Spec: model.DocOf(spec)}),
			store.WriterVolumes: store.VolumeStates.Put(&model.VolumeState{VolumeID: id}),
		} {
			if _, _, err := c.Commit(&store.Batch{Writer: by, Changes: []store.Change{change}}).Result(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s, c, ids
}

// TestOneHoldsUpNoOther: a volume whose driver hangs, and one whose driver fails, hold up no other; what hangs is given up and tried
// again; each says what is wrong; of one driver so many calls are under way and no more.
func TestOneHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := []string{"hangs", "fails", "works"}
		for i := range 2 * perDriver {
			names = append(names, fmt.Sprint("hangs@", i))
		}
		s, c, ids := world(t, names...)
		d := &driver{calls: map[string]int{}}
		ctx, stop := context.WithCancel(t.Context())
		r := &Runner{Store: s, Commit: c, Caller: d, Env: env.Real(), Log: slog.New(slog.DiscardHandler), Limit: 10 * time.Second}
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		state := func(name string) *model.VolumeState { return store.VolumeStates.ByID(s.View(), ids[name]) }
		synctest.Wait()
		if got := state("works"); got.Handle != "made-works" || got.Err != "" {
			t.Errorf("at once the good volume is %+v", got)
		}
		under := 0
		for _, name := range names {
			if strings.HasPrefix(name, "hangs") {
				under += d.count(name)
			}
		}
		if under != perDriver {
			t.Errorf("%d calls are under way on one driver, want %d", under, perDriver)
		}
		if got := state("fails"); got.Err != "it is broken" {
			t.Errorf("the bad volume says %q", got.Err)
		}
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if got := state("fails"); got.Handle != "made-fails" || got.Err != "" || d.count("fails") != 4 {
			t.Errorf("after %d calls the bad volume is %+v", d.count("fails"), got)
		}
		time.Sleep(60 * time.Second)
		synctest.Wait()
		if got := state("hangs"); got.Err == "" || d.count("hangs") < 2 {
			t.Errorf("after %d calls the volume that hangs says %q", d.count("hangs"), got.Err)
		}
		if n := d.count("hangs"); n > 6 {
			t.Errorf("in 69 seconds it was asked %d times", n)
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestRowChanged: an outcome is written over what the planner wrote meanwhile, and one of a stay that is over is dropped.
func TestRowChanged(t *testing.T) {
	s, c, ids := world(t, "works")
	r := &Runner{Store: s, Commit: c, Env: env.Real(), Log: slog.New(slog.DiscardHandler)}
	old := volumes.Due(s.View(), ids["works"])[0]
	changed := *store.VolumeStates.ByID(s.View(), ids["works"])
	changed.Err = "said before"
	if _, _, err := c.Commit(&store.Batch{Writer: store.WriterVolumes, Changes: []store.Change{store.VolumeStates.Put(&changed)}}).Result(); err != nil {
		t.Fatal(err)
	}
	r.write(t.Context(), old, volumes.Outcome{Handle: "h"})
	if got := store.VolumeStates.ByID(s.View(), ids["works"]); got.Handle != "h" || got.Err != "" {
		t.Errorf("it is %+v", got)
	}
	before := s.View().Index()
	r.write(t.Context(), volumes.Call{Kind: volumes.Publish, Volume: old.Volume, Node: model.VolumeNode{NodeID: model.NumID(9), Round: 3}}, volumes.Outcome{})
	if s.View().Index() != before {
		t.Error("the outcome of a stay that is over was written")
	}
}

package control

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// TestStep drives a loop around the toy planner by hand. Commands:
//
//	service ID [NAME]   writes a service (its name by default its id); "gone" as a name deletes it
//	step                steps once and prints what the planner and the committer saw
//	land [n=N] [as=refused|notleader|unknown|foreign]   tells the outcomes of the oldest batches
//	advance D           moves the clock
//	flood N             writes N rows the planner does not read
//	loop                starts a new loop over the same store
func TestStep(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		start := time.Unix(1_000_000, 0)
		clock := env.NewManual(start)
		s, log, names := store.New(), &strings.Builder{}, map[model.ID]string{}
		d := &desk{s: s, now: clock.Now, log: log, names: names}
		newLoop := func() *Loop {
			return NewLoop(&toy{names: names, log: log, start: start}, s, d, clock)
		}
		loop := newLoop()
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			log.Reset()
			for line := range strings.Lines(td.Input) {
				f := strings.Fields(line)
				writeService(t, s, clock.Now(), names, f[0], f[len(f)-1])
			}
			switch td.Cmd {
			case "services":
			case "step":
				next, err := loop.Step(clock.Now())
				if err != nil {
					fmt.Fprintf(log, "error: %v\n", err)
				}
				if !next.IsZero() {
					fmt.Fprintf(log, "next at %v\n", next.Sub(start))
				}
			case "land":
				n, as := 1, ""
				if td.HasArg("n") {
					td.ScanArgs(t, "n", &n)
				}
				if td.HasArg("as") {
					td.ScanArgs(t, "as", &as)
				}
				err := map[string]error{"refused": store.ErrConflict, "notleader": store.ErrNotLeader, "unknown": store.ErrUnknownOutcome, "foreign": store.ErrWriter}[as]
				for range n {
					d.apply(err)()
				}
			case "advance":
				by, err := time.ParseDuration(td.CmdArgs[0].Key)
				if err != nil {
					t.Fatal(err)
				}
				clock.Set(clock.Now().Add(by))
			case "flood":
				n := 0
				fmt.Sscan(td.CmdArgs[0].Key, &n)
				flood(t, s, clock.Now(), n)
			case "loop":
				loop = newLoop()
			default:
				t.Fatalf("unknown command %s", td.Cmd)
			}
			return log.String()
		})
	})
}

func writeService(t *testing.T, s *store.Store, now time.Time, names map[model.ID]string, id, name string) {
	svc := &model.Service{Name: name}
	copy(svc.ID[:], id)
	names[svc.ID] = id
	c := store.Services.Put(svc)
	if name == "gone" {
		c = store.Services.Delete(svc.Key())
	}
	if _, err := apply(s, now, &store.Batch{Writer: store.WriterAPI, Changes: []store.Change{c}}); err != nil {
		t.Fatal(err)
	}
}

// flood fills the change feed with what nobody asked for.
func flood(t *testing.T, s *store.Store, now time.Time, n int) {
	b := &store.Batch{Writer: store.WriterDispatcher}
	for i := range n {
		b.Changes = append(b.Changes, store.Statuses.Put(&model.TaskStatus{TaskID: model.NumID(uint64(i + 1))}))
	}
	if _, err := apply(s, now, b); err != nil {
		t.Fatal(err)
	}
}

// TestSplitKeepsOrderAndSize: every batch fits an entry, none is empty, and together they are what was split.
func TestSplitKeepsOrderAndSize(t *testing.T) {
	var changes []store.Change
	for i := range 40 {
		n := 1 << (i % 20)
		changes = append(changes, store.Rollouts.Put(&model.Rollout{ServiceID: model.NumID(uint64(i + 1)), Message: strings.Repeat("m", n)}))
	}
	i := 0
	batches := Split(changes)
	for _, b := range batches {
		if _, err := store.EncodeEntry(store.Entry{Batch: &store.Batch{Writer: store.WriterOrchestrator, Changes: b}}); err != nil || len(b) == 0 {
			t.Fatalf("a batch of %d changes: %v", len(b), err)
		}
		for _, c := range b {
			if c.Key != changes[i].Key {
				t.Fatalf("change %d is out of order", i)
			}
			i++
		}
	}
	if i != len(changes) || len(batches) < 2 || len(Split(nil)) != 0 {
		t.Fatalf("%d of %d changes in %d batches", i, len(changes), len(batches))
	}
}

// TestWhatIsUnderWayIsBounded: while as many changes are under way as a plan may have ahead of it nothing more is planned, however
// few batches they are; once they have landed, what came meanwhile is.
func TestWhatIsUnderWayIsBounded(t *testing.T) {
	clock := env.NewManual(time.Unix(1_000_000, 0))
	s, log, names := store.New(), &strings.Builder{}, map[model.ID]string{}
	d := &desk{s: s, now: clock.Now, log: log, names: names}
	loop := NewLoop(&toy{names: names, log: log, start: clock.Now()}, s, d, clock)
	service := func(from, to int) {
		b := &store.Batch{Writer: store.WriterAPI}
		for i := from; i < to; i++ {
			id := model.NumID(uint64(i + 1))
			b.Changes = append(b.Changes, store.Services.Put(&model.Service{ID: id, Name: id.String()}))
		}
		if _, err := apply(s, clock.Now(), b); err != nil {
			t.Fatal(err)
		}
	}
	step := func(batches int) {
		t.Helper()
		if _, err := loop.Step(clock.Now()); err != nil {
			t.Fatal(err)
		}
		if got := len(d.pending()); got != batches {
			t.Fatalf("%d batches are under way, not %d", got, batches)
		}
	}
	service(0, maxAhead-1)
	step(1)
	service(maxAhead-1, maxAhead) // one more is allowed
	step(2)
	service(maxAhead, maxAhead+1)
	step(2)
	d.apply(nil)()
	step(2) // the first has landed, and what waited is under way
	d.apply(nil)()
	d.apply(nil)()
	step(0)
	if got := store.Rollouts.Len(s.View()); got != maxAhead+1 {
		t.Fatalf("%d rows were written", got)
	}
}

package control

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// toy is a planner that gives every service a rollout row that bears the service's name. A name says what it does:
// "later:5s" waits five seconds after the service's creation, "big:N" writes a message of N bytes, "fail" ends the
// loop, "twice" writes two rows, "careful" has the batch refused if the service is another by then.
type toy struct {
	names map[model.ID]string
	log   *strings.Builder
	start time.Time
	plans int
}

func (p *toy) Name() string         { return "toy" }
func (p *toy) Writer() store.Writer { return store.WriterOrchestrator }

func (p *toy) Inputs() []Input {
	return []Input{On(store.Services, func(old, cur *model.Service) []Key {
		if cur == nil {
			cur = old
		}
		return []Key{{Kind: 1, Key: cur.Key()}}
	})}
}

func (p *toy) All(v store.View) []Key {
	fmt.Fprintf(p.log, "all\n")
	var keys []Key
	for s := range store.Services.All(v) {
		keys = append(keys, Key{Kind: 1, Key: s.Key()})
	}
	for r := range store.Rollouts.All(v) {
		keys = append(keys, Key{Kind: 1, Key: r.Key()})
	}
	return keys
}

func (p *toy) Plan(v store.View, keys []Key, now time.Time) (Result, error) {
	p.plans++
	fmt.Fprintf(p.log, "plan at %v:", now.Sub(p.start))
	var res Result
	for _, k := range keys {
		fmt.Fprintf(p.log, " %s", p.names[k.A])
		svc, old := store.Services.ByID(v, k.A), store.Rollouts.ByID(v, k.A)
		if svc == nil {
			if old != nil {
				res.Changes = append(res.Changes, store.Rollouts.Delete(k.Key))
			}
			continue
		}
		want := svc.Name
		verb, arg, _ := strings.Cut(svc.Name, ":")
		switch verb {
		case "fail":
			return res, fmt.Errorf("the toy broke")
		case "later":
			d, _ := time.ParseDuration(arg)
			if due := svc.CreatedAt().Add(d); now.Before(due) {
				res.Wakes(k, due.Add(time.Hour)) // the earlier one counts
				res.Wakes(k, due)
				res.Wakes(k, due.Add(time.Minute))
				continue
			}
		case "careful":
			res.Conditions = append(res.Conditions, store.Services.At(svc))
		case "big":
			n := 0
			fmt.Sscan(arg, &n)
			want = strings.Repeat("x", n)
		}
		if old == nil || old.Message != want {
			res.Changes = append(res.Changes, store.Rollouts.Put(&model.Rollout{ServiceID: svc.ID, Message: want}))
		}
	}
	fmt.Fprintln(p.log)
	return res, nil
}

// desk is a committer whose batches wait until the test says what becomes of them.
type desk struct {
	s       *store.Store
	now     func() time.Time
	log     *strings.Builder
	names   map[model.ID]string
	mu      sync.Mutex
	waiting []waiting
}

type waiting struct {
	b *store.Batch
	p *store.Pending
}

func (d *desk) Commit(b *store.Batch) *store.Pending {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.log, "commit:")
	for _, c := range b.Changes {
		verb := "put"
		if c.Row == nil {
			verb = "delete"
		}
		fmt.Fprintf(d.log, " %s %s", verb, d.names[c.Key.A])
	}
	fmt.Fprintln(d.log)
	w := waiting{b, store.NewPending()}
	d.waiting = append(d.waiting, w)
	return w.p
}

// pending lists what waits.
func (d *desk) pending() []waiting {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.waiting)
}

// apply writes the oldest batch and returns how to tell its outcome.
func (d *desk) apply(refusal error) (tell func()) {
	d.mu.Lock()
	w := d.waiting[0]
	d.waiting = d.waiting[1:]
	d.mu.Unlock()
	if refusal != nil {
		return func() { w.p.Resolve(0, refusal) }
	}
	index, err := apply(d.s, d.now(), w.b)
	return func() { w.p.Resolve(index, err) }
}

// apply makes the trip through the log's form.
func apply(s *store.Store, now time.Time, b *store.Batch) (uint64, error) {
	raw, err := store.EncodeEntry(store.Entry{Time: now.UnixNano(), Batch: b})
	if err != nil {
		return 0, err
	}
	e, err := store.DecodeEntry(raw)
	if err != nil {
		return 0, err
	}
	index := s.View().Index() + 1
	return index, s.Apply(index, e)
}

package staging

import (
	"maps"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// Kind is what an operation does.
type Kind uint8

// The operations, named as CSI names its calls.
const (
	none Kind = iota
	Stage
	Publish
	Unpublish
	Unstage
)

func (k Kind) String() string {
	return [...]string{"none", "stage", "publish", "unpublish", "unstage"}[k]
}

// Op is one operation on a volume. Its outcome is handed to [Machine.Done].
type Op struct {
	Kind   Kind
	Volume model.ID
	Order  *wire.VolumeOrder // what the driver has to know
}

// level is how far a volume has come on the node.
type level uint8

const (
	clean level = iota
	staged
	published
)

// entry is one volume.
//
// Invariant: good <= dirty; while round is zero nothing was done of the volume by this process, nor found.
type entry struct {
	id     model.ID
	order  *wire.VolumeOrder // the newest
	wanted bool              // the managers name it
	round  uint64            // of the stay that dirty is about
	good   level             // so far it is sure
	dirty  level             // so far something may be left
	gone   uint64            // the newest stay of which all is undone, and stays undone

	busy     Kind // under way
	path     string
	err      string
	failures int
	retryAt  time.Time
}

// Machine belongs to one goroutine.
type Machine struct {
	volumes map[model.ID]*entry
	told    bool // the managers have named all volumes
	report  bool
}

// New makes a machine. left is what an earlier process had begun and not undone.
func New(left []*wire.VolumeOrder) *Machine {
	m := &Machine{volumes: map[model.ID]*entry{}}
	for _, o := range left {
		if id, err := wire.ID(o.Id); err == nil {
			m.volumes[id] = &entry{id: id, order: o, round: o.Round, dirty: published}
		}
	}
	return m
}

// Orders takes what the managers say: of all volumes.
func (m *Machine) Orders(orders []*wire.VolumeOrder) {
	m.told, m.report = true, true
	for _, e := range m.volumes {
		e.wanted = false
	}
	for _, o := range orders {
		id, err := wire.ID(o.Id)
		if err != nil {
			continue
		}
		e := m.volumes[id]
		if e == nil {
			// Nothing is known of it, which a disk that was lost would explain too.
			e = &entry{id: id, round: o.Round, dirty: published}
			if !o.Release {
				e.dirty = clean
			}
			m.volumes[id] = e
		}
		if e.order == nil || e.order.Round != o.Round || e.order.Release != o.Release {
			e.failures, e.retryAt, e.err = 0, time.Time{}, ""
		}
		e.order, e.wanted = o, true
	}
}

// Path is where a volume is, once it may be used; else why it cannot.
func (m *Machine) Path(id model.ID) (path, reason string) {
	e := m.volumes[id]
	switch {
	case e == nil || !e.wanted:
		return "", "it has not been published to this node yet"
	case e.order.Release || e.round != e.order.Round && e.dirty != clean:
		return "", "this node has to let go of it before it can be used again"
	case e.good == published:
		return e.path, ""
	case e.err != "":
		return "", e.err
	}
	return "", "its driver is making it available on this node"
}

// Order is what the managers said last of a volume; nil: nothing.
func (m *Machine) Order(id model.ID) *wire.VolumeOrder {
	if e := m.volumes[id]; e != nil {
		return e.order
	}
	return nil
}

// Step returns the operations to begin, and when to be called again though nothing happened. used tells whether a container has
// the volume, or may be about to.
func (m *Machine) Step(now time.Time, used func(model.ID) bool) (ops []Op, next time.Time) {
	for _, id := range m.ids() {
		e := m.volumes[id]
		kind := m.want(e, used)
		switch {
		case kind == none:
		case e.retryAt.After(now):
			if next.IsZero() || e.retryAt.Before(next) {
				next = e.retryAt
			}
		default:
			m.begin(e, kind)
			ops = append(ops, Op{Kind: kind, Volume: id, Order: e.order})
		}
	}
	return ops, next
}

// want is what is to be done next of a volume.
func (m *Machine) want(e *entry, used func(model.ID) bool) Kind {
	if e.busy != none || !m.told {
		return none
	}
	up := e.wanted && !e.order.Release && e.order.Round > e.gone
	if up && (e.round == e.order.Round || e.dirty == clean) {
		switch e.good {
		case clean:
			return Stage
		case staged:
			return Publish
		}
		return none
	}
	switch {
	case e.dirty == clean:
		m.over(e)
		return none
	case used(e.id):
		return none
	case e.dirty == published:
		return Unpublish
	}
	return Unstage
}

func (m *Machine) begin(e *entry, kind Kind) {
	e.busy = kind
	switch kind {
	case Stage:
		e.round, e.dirty = e.order.Round, max(e.dirty, staged)
	case Publish:
		e.dirty = published
	case Unpublish:
		e.good, e.path = min(e.good, staged), ""
	case Unstage:
		e.good = clean
	}
}

// over notes that nothing is left of a stay.
func (m *Machine) over(e *entry) {
	if !e.wanted {
		delete(m.volumes, e.id)
		return
	}
	if e.order.Release && e.gone < e.order.Round {
		e.gone, m.report = e.order.Round, true
	}
}

// Done takes an operation's outcome; path is where Publish has put the volume.
func (m *Machine) Done(now time.Time, op Op, path string, err error) {
	e := m.volumes[op.Volume]
	if e == nil || e.busy != op.Kind {
		return
	}
	e.busy = none
	if err != nil {
		e.retryAt = now.Add(min(retryFirst<<min(e.failures, 10), retryMost))
		e.failures++
		m.say(e, err.Error())
		return
	}
	e.failures, e.retryAt = 0, time.Time{}
	m.say(e, "")
	switch op.Kind {
	case Stage:
		e.good = staged
	case Publish:
		e.good, e.path = published, path
	case Unpublish:
		e.dirty = staged
	case Unstage:
		e.dirty, e.good = clean, clean
	}
}

const (
	retryFirst = 200 * time.Millisecond
	retryMost  = 10 * time.Second
)

func (m *Machine) say(e *entry, words string) {
	if e.err != words {
		e.err, m.report = words, true
	}
}

// Again has everything reported anew: to a manager that has not heard of it.
func (m *Machine) Again() { m.report = true }

// Report is what the managers are to know, if they have not been told; nil: nothing new.
func (m *Machine) Report() *wire.VolumeReports {
	if !m.report || !m.told {
		return nil
	}
	m.report = false
	out := &wire.VolumeReports{}
	for _, id := range m.ids() {
		e := m.volumes[id]
		if e.wanted {
			out.Reports = append(out.Reports, &wire.VolumeReport{Id: wire.Bytes(id), Round: e.order.Round, Released: e.order.Release && e.gone >= e.order.Round, Err: e.err})
		}
	}
	return out
}

func (m *Machine) ids() []model.ID { return slices.SortedFunc(maps.Keys(m.volumes), model.ID.Compare) }

package sim

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// register is a service as its users see it: the version and revision they read; zero: there is none.
type register struct {
	version  uint64
	revision model.ID
}

// linearizable holds what users were told against the model of a service: a register that is written only by who has
// read what it holds. A write of which nobody was told what became of it is judged by the log: it took place some time
// after it was asked for, or never.
func (w *world) linearizable() error {
	byName := map[string][]porcupine.Operation{}
	for _, o := range w.users.history {
		if err := o.acknowledged(); err != nil {
			return err
		}
		input, take := o.judged()
		if !take {
			continue
		}
		ret := o.ret
		if !o.known() {
			ret = math.MaxInt64
		}
		byName[o.name] = append(byName[o.name], porcupine.Operation{ClientId: o.client, Input: input, Call: o.call, Return: ret})
	}
	for i := range 4 {
		name := fmt.Sprintf("s%d", i+1)
		if porcupine.CheckOperationsTimeout(serviceModel(), byName[name], 30*time.Second) != porcupine.Ok {
			return fmt.Errorf("what the users of service %s were told is not linearizable", name)
		}
	}
	return nil
}

// acknowledged: what was answered to be done is in the log where the answer says.
func (o *op) acknowledged() error {
	switch {
	case !o.writes || !o.known():
	case o.err == nil && (o.index == 0 || o.index != o.ack):
		return fmt.Errorf("user %d was told that %q is done at index %d: it came about at index %d", o.client, o.what, o.ack, o.index)
	case o.err != nil && o.index != 0:
		return fmt.Errorf("user %d was told that %q is not done (%w): it is, at index %d", o.client, o.what, o.err, o.index)
	}
	return nil
}

type verdict byte

const (
	read verdict = iota
	written
	refused
)

// step is one request in the history.
type step struct {
	verdict  verdict
	was, now register
}

// judged is what a request did to its register; false when it did nothing that could be held against it.
func (o *op) judged() (s step, take bool) {
	s.was = register{o.version, o.revision}
	switch {
	case !o.writes:
		s.verdict, s.now = read, s.was
		return s, o.answered && o.err == nil
	case o.index != 0:
		s.verdict = written
		if !o.next.IsZero() {
			s.now = register{o.index, o.next}
		}
		return s, true
	}
	s.verdict = refused
	return s, o.known() && o.refused()
}

// refused reports whether the service was not as the user thought it to be. A rollback is refused, too, when the
// revision is gone by then.
func (o *op) refused() bool {
	return errors.Is(o.err, store.ErrConflict) || errors.Is(o.err, store.ErrExists) || errors.Is(o.err, store.ErrNotFound) && !o.back
}

func serviceModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return register{} },
		Step: func(state, input, _ any) (bool, any) {
			now, s := state.(register), input.(step)
			switch s.verdict {
			case read:
				return now == s.was, now
			case written:
				return now == s.was, s.now
			}
			return now != s.was, now
		},
	}
}

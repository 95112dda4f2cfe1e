package orchestrator

import (
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// stage is how far one slot of a job has come in the present iteration.
type stage uint8

const (
	open  stage = iota // it has had no task yet
	busy               // a task of it is wanted
	spent              // its task failed, and the restart policy allows no further one
	done               // a task of it has completed
)

// planJob brings a job up to what is asked of it: in each iteration every slot is run until one of its tasks completes.
func (p *plan) planJob(s *service) {
	s.slots = p.slots(store.TasksOf(p.v, s.id))
	if s.active.spec.Mode.GlobalJob != nil {
		p.fitNodes(s, p.hostOfJob)
	}
	stages := make(map[*slot]stage, len(s.slots))
	for _, sl := range s.slots {
		p.outdate(s, sl)
		stages[sl] = p.turn(s, sl)
	}
	if job := s.active.spec.Mode.ReplicatedJob; job != nil {
		p.engage(s, job, stages)
	}
	p.emitRollout(s)
	for _, sl := range s.slots {
		p.forgetJob(s, sl)
		p.emit(sl)
	}
}

// hostOfJob decides about one node's slot. What runs on a node that is drained, or no longer fits, runs to its end, as
// in swarm; only a node that was removed takes its tasks along.
func (p *plan) hostOfJob(s *service, sl *slot) {
	n := p.node(sl.node)
	switch {
	case n.gone:
		sl.mode = leave
		p.remove(sl, model.ReasonNodeGone)
	case !n.ready || n.leave(s.active) != model.ReasonNone:
		sl.mode = hold
	}
}

// outdate ends what still runs of earlier iterations.
func (p *plan) outdate(s *service, sl *slot) {
	for _, r := range sl.runs {
		switch {
		case r.task.Iteration == s.iteration || !r.wanted() || r.seen.State == model.StateComplete:
		case r.ended():
			r.stop(model.ReasonUpdate, model.StateShutdown, p.now)
		default:
			r.stop(model.ReasonUpdate, model.StateRemove, p.now)
		}
	}
}

// turn brings one slot up to what the present iteration asks of it. A task that completes although it was asked to stop
// has completed: nothing is done twice for that.
func (p *plan) turn(s *service, sl *slot) stage {
	var last *run
	for _, r := range sl.runs {
		if r.task.Iteration != s.iteration {
			continue
		}
		if r.seen.State == model.StateComplete {
			p.leaveTo(sl, r)
			return done
		}
		last = r
	}
	if last == nil {
		if sl.node.IsZero() || sl.mode != serve {
			return open
		}
		p.begin(s, sl)
		return busy
	}
	keep := p.follow(s, sl, last)
	p.leaveTo(sl, keep)
	if keep == nil {
		return spent
	}
	p.promote(sl, keep, model.StateComplete)
	return busy
}

// begin makes a slot's first task of the iteration.
func (p *plan) begin(s *service, sl *slot) {
	sl.next = nil // what was counted of the last iteration ended with it
	p.promote(sl, p.addJob(s, sl, model.ReasonCreated, p.now), model.StateComplete)
}

func (p *plan) addJob(s *service, sl *slot, why model.Reason, notBefore time.Time) *run {
	r := p.add(sl, s.active.id, why, notBefore)
	r.task.Iteration = s.iteration
	return r
}

// follow is the task a slot goes on with whose newest one is last; nil when it has none.
func (p *plan) follow(s *service, sl *slot, last *run) *run {
	if last.wanted() && !last.ended() && (!p.strays(last) || !p.movesJob(s, sl)) {
		return last
	}
	if !last.endedItself() {
		if p.movesJob(s, sl) {
			return p.addJob(s, sl, model.ReasonNodeGone, p.now)
		}
		return nil
	}
	if notBefore := time.Unix(0, last.task.NotBefore); last.wanted() && notBefore.After(p.now) {
		p.res.Wakes(sl.key(), notBefore)
		return last
	}
	e := last.end()
	if sl.mode != serve || !s.active.restart.Allows(sl.row, e) {
		return nil
	}
	row, at := s.active.restart.Next(sl.row, sl.slotID.row(), s.active.id, e, p.now)
	sl.count(row)
	return p.addJob(s, sl, model.ReasonRestart, at)
}

// strays reports whether a task that has not ended is on a node where nobody will see it end. The task of a global job
// waits for its node: nothing of it could run elsewhere.
func (p *plan) strays(r *run) bool {
	return r.task.NodeID.IsZero() && r.node != nil && r.node.lost
}

// movesJob reports whether a slot whose task is lost gets another one.
func (p *plan) movesJob(s *service, sl *slot) bool {
	return sl.mode == serve && s.active.restart.Moves()
}

// leaveTo stops all of a slot that is wanted, but for one task.
func (p *plan) leaveTo(sl *slot, keep *run) {
	for _, r := range sl.runs {
		if r == keep || !r.wanted() || r.seen.State == model.StateComplete {
			continue
		}
		why := model.ReasonReplaced
		if r.node != nil && r.node.lost {
			why = model.ReasonNodeGone
		}
		r.stop(why, model.StateShutdown, p.now)
	}
}

// engage makes tasks in the lowest open slots: at most MaxConcurrent are wanted at once, and no more than are needed for
// TotalCompletions. A slot that is spent keeps its place, as in swarm: a job that fails does not go on to the next.
func (p *plan) engage(s *service, job *swarm.ReplicatedJob, stages map[*slot]stage) {
	places, left := model.JobSize(job)
	byNumber := make(map[uint64]*slot, len(s.slots))
	for _, sl := range s.slots {
		byNumber[sl.number] = sl
		if st := stages[sl]; st != open {
			left -= min(left, 1)
			if st != done {
				places -= min(places, 1)
			}
		}
	}
	for number, n := uint64(0), min(places, left); n > 0; number++ {
		sl := byNumber[number]
		if sl == nil {
			sl = p.newSlot(slotID{service: s.id, number: number})
			s.slots = append(s.slots, sl)
		} else if stages[sl] != open {
			continue
		}
		p.begin(s, sl)
		n--
	}
}

// forgetJob deletes the oldest of more ended tasks of a slot than the history holds. What completed in the present
// iteration is the proof that it did, and stays.
func (p *plan) forgetJob(s *service, sl *slot) {
	p.bury(sl)
	kept := len(sl.runs)
	for _, r := range sl.runs {
		if r.drop {
			kept--
		}
	}
	for _, r := range sl.runs {
		if p.history < 0 || kept <= max(p.history, 1) {
			return
		}
		proof := r.task.Iteration == s.iteration && r.seen.State == model.StateComplete
		over := r.over() || r.seen.State == model.StateComplete
		if r.drop || !over || proof || r == sl.newest() {
			continue
		}
		r.drop = true
		kept--
	}
}

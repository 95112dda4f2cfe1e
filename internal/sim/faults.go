package sim

import (
	"time"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// breakSomething is one fault.
func (w *world) breakSomething() {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	switch w.rng.IntN(10) {
	case 0, 1:
		w.manager.crash()
	case 2:
		n.kill()
	case 3: // kill -9 of a daemon that is both
		w.manager.crash()
		w.nodes[0].kill()
	case 4:
		if n.link != nil {
			w.trace("%s: the connection breaks", n.name)
			n.link.broke()
		}
	case 5:
		if !n.engine.Lost() {
			n.engineLost()
			w.after(w.upTo(20*time.Second), n.engine.Recover)
		}
	case 6:
		w.someContainer(n, "removed by somebody", n.engine.Vanish)
	case 7:
		w.someContainer(n, "unhealthy", func(id model.ID, now time.Time) { n.engine.Sicken(id, "sick", now) })
	case 8:
		w.powerLoss(n)
	default:
		w.someContainer(n, "crashes", func(id model.ID, now time.Time) { n.engine.Crash(id, 1+w.rng.IntN(3), false, now) })
	}
}

func (w *world) someContainer(n *node, what string, f func(model.ID, time.Time)) {
	list, err := n.engine.List()
	if err != nil || len(list) == 0 {
		return
	}
	c := list[w.rng.IntN(len(list))]
	w.trace("%s: container of %s %s", n.name, short(c.TaskID), what)
	w.checks.meddled(c.TaskID)
	f(c.TaskID, w.now())
	n.wakeEngine()
}

// powerLoss ends everything on a node but what is on its disks.
func (w *world) powerLoss(n *node) {
	w.trace("%s: power is lost", n.name)
	list, _ := n.engine.List()
	n.kill()
	n.engine.Lose(w.now()) // of what was under way a part is done
	n.engine.Recover()
	for _, c := range list {
		if c.Phase == executor.Running {
			w.checks.meddled(c.TaskID)
			n.engine.Crash(c.TaskID, 255, false, w.now())
		}
	}
	n.wakeEngine()
	if n == w.nodes[0] {
		w.manager.crash()
	}
}

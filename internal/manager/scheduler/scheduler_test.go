package scheduler

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// TestDataDriven: "do" carries out its lines as other stages would and lets the scheduler come to rest; "takeover"
// does so with a new leader's scheduler. Both print the placements that were written.
func TestDataDriven(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.t = t
			after := w.s.View().Index()
			switch d.Cmd {
			case "do":
			case "takeover":
				w.takeover()
			default:
				t.Fatalf("unknown command %s", d.Cmd)
			}
			for line := range strings.Lines(d.Input) {
				w.do(line)
			}
			w.settle()
			return w.placements(after)
		})
	})
}

// placements prints what was written since after; tasks with one reason to wait share a line.
func (w *world) placements(after uint64) string {
	events, _, ok := w.s.Events(after)
	if !ok {
		w.t.Fatalf("fell behind the feed")
	}
	var lines []string
	for _, e := range events {
		if e.Table != store.Placements.ID() {
			continue
		}
		switch p, _ := e.New.(*model.Placement); {
		case p == nil:
			lines = append(lines, w.names[e.Old.(*model.Placement).TaskID]+": gone")
		case p.NodeID.IsZero():
			lines = append(lines, fmt.Sprintf("%s: %s", w.names[p.TaskID], p.Err))
		default:
			lines = append(lines, fmt.Sprintf("%s -> %s%s", w.names[p.TaskID], w.names[p.NodeID], genericText(p.Generic)+w.volumeText(p)))
		}
	}
	return strings.Join(lines, "\n")
}

// volumeText prints which cluster volumes a task was given.
func (w *world) volumeText(p *model.Placement) (out string) {
	for _, c := range p.Chosen() {
		out += " " + w.names[c.VolumeID]
		if c.ReadOnly {
			out += "/ro"
		}
	}
	return out
}

// genericText prints generic resources as the scripts' lines give them.
func genericText(list []swarm.GenericResource) string {
	var out string
	for _, g := range list {
		if n := g.NamedResourceSpec; n != nil {
			out += fmt.Sprintf(" %s/%s", n.Kind, n.Value)
		}
		if d := g.DiscreteResourceSpec; d != nil {
			out += fmt.Sprintf(" %s:%d", d.Kind, d.Value)
		}
	}
	return out
}

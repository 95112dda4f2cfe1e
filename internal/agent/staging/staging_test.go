package staging

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// TestScripts runs testdata/*.txt, each for a machine of its own:
//
//	left VOLUME round=N     begin anew, with what an earlier process left
//	orders                  a line for each volume: VOLUME round=N [release]
//	step [used=VOLUME]      what is begun, and when to look again
//	ok VOLUME, fail VOLUME  the outcome of what is under way
//	after DURATION
//	path VOLUME
//	report
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		m, now, under := New(nil), time.Unix(0, 0), map[model.ID]Op{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			id := model.ID{}
			if len(d.CmdArgs) > 0 {
				id = named(d.CmdArgs[0].Key)
			}
			switch d.Cmd {
			case "left":
				m, under = New([]*wire.VolumeOrder{order(d.CmdArgs[0].Key + " " + d.CmdArgs[1].String())}), map[model.ID]Op{}
			case "orders":
				var list []*wire.VolumeOrder
				for line := range strings.Lines(d.Input) {
					list = append(list, order(line))
				}
				m.Orders(list)
			case "step":
				ops, next := m.Step(now, func(v model.ID) bool { return d.HasArg("used") && v == named(d.CmdArgs[0].Vals[0]) })
				var b strings.Builder
				for _, op := range ops {
					under[op.Volume] = op
					fmt.Fprintf(&b, "%s %s round %d\n", op.Kind, label(op.Volume), op.Order.Round)
				}
				if !next.IsZero() {
					fmt.Fprintf(&b, "again after %v\n", next.Sub(now))
				}
				return b.String()
			case "ok":
				m.Done(now, under[id], "/"+d.CmdArgs[0].Key, nil)
			case "fail":
				m.Done(now, under[id], "", errors.New("it is broken"))
			case "after":
				wait, err := time.ParseDuration(d.CmdArgs[0].Key)
				if err != nil {
					t.Fatal(err)
				}
				now = now.Add(wait)
			case "path":
				path, reason := m.Path(id)
				return path + reason + "\n"
			case "report":
				r := m.Report()
				if r == nil {
					return "nothing new\n"
				}
				var b strings.Builder
				for _, one := range r.Reports {
					fmt.Fprintf(&b, "%s round %d released=%v %s\n", label(key(one.Id)), one.Round, one.Released, one.Err)
				}
				return b.String()
			default:
				d.Fatalf(t, "unknown command")
			}
			return ""
		})
	})
}

func named(name string) (id model.ID) { copy(id[:], name); return id }

func label(id model.ID) string { return strings.TrimRight(string(id[:]), "\x00") }

func key(b []byte) (id model.ID) { copy(id[:], b); return id }

// order reads VOLUME round=N [release].
func order(line string) *wire.VolumeOrder {
	f := strings.Fields(line)
	id := named(f[0])
	o := &wire.VolumeOrder{Id: id[:]}
	for _, a := range f[1:] {
		if n, ok := strings.CutPrefix(a, "round="); ok {
			_, _ = fmt.Sscan(n, &o.Round)
		}
		o.Release = o.Release || a == "release"
	}
	return o
}

package simulated

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestMachine plays scripts: the operations submitted, what becomes due and when.
func TestMachine(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{behaves: map[model.ID]*Behaviour{}, ports: map[model.ID]uint32{}}
		s.machine = NewMachine(env.Seeded(1, nil), Config{
			Prepare: Exactly(time.Second), Start: Exactly(2 * time.Second), Remove: Exactly(500 * time.Millisecond),
			Behave: func(t *executor.Task) *Behaviour { return s.behaves[t.ID] },
		})
		datadriven.RunTest(t, path, s.play)
	})
}

type script struct {
	machine *Machine
	behaves map[model.ID]*Behaviour
	ports   map[model.ID]uint32
}

// play understands "until D" (what is due by then), "list", and with task=N and at=D: behave, prepare, start, stop,
// remove, crash, sicken, vanish; lose and recover with at=D alone.
func (s *script) play(t *testing.T, d *datadriven.TestData) string {
	at, id := epoch, model.ID{}
	b := &Behaviour{}
	for _, arg := range d.CmdArgs {
		duration := func() time.Duration {
			v, err := time.ParseDuration(arg.Vals[0])
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			return v
		}
		number := func() int {
			n, err := strconv.Atoi(arg.Vals[0])
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			return n
		}
		switch arg.Key {
		case "at":
			at = epoch.Add(duration())
		case "task":
			id = model.NumID(uint64(number()))
		case "runs":
			b.RunFor = duration()
		case "code":
			b.ExitCode = number()
		case "stop-takes":
			b.StopTakes = duration()
		case "check-after":
			b.CheckAfter = duration()
		case "sick":
			b.Sick = true
		case "oom":
			b.OutOfMemory = true
		case "port":
			s.ports[id] = uint32(number())
		case "no-image":
			b.PrepareErr = errors.New("no image")
		case "no-program":
			b.StartErr = errors.New("no program")
		default:
			d.Fatalf(t, "unknown argument %s", arg.Key)
		}
	}
	m := s.machine
	kinds := map[string]Kind{"prepare": Prepare, "start": Start, "stop": Stop, "remove": Remove}
	switch d.Cmd {
	case "behave":
		s.behaves[id] = b
	case "prepare", "start", "stop", "remove":
		m.Submit(&Op{Kind: kinds[d.Cmd], ID: id, Task: s.task(id)}, at)
	case "crash":
		m.Crash(id, 9, false, at)
	case "sicken":
		m.Sicken(id, "coughs", at)
	case "vanish":
		m.Vanish(id, at)
	case "lose":
		m.Lose(at)
	case "recover":
		m.Recover()
	case "list":
		list, err := m.List()
		if err != nil {
			return err.Error()
		}
		var out strings.Builder
		for _, c := range list {
			out.WriteString(showContainer(c) + "\n")
		}
		return out.String()
	case "until":
		return s.until(at)
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
	return ""
}

func (s *script) until(at time.Time) string {
	var out strings.Builder
	for _, e := range s.machine.Due(at) {
		out.WriteString(showEvent(e) + "\n")
	}
	if next, ok := s.machine.Next(); ok {
		_, _ = fmt.Fprintf(&out, "next at %v\n", next.Sub(epoch))
	}
	return out.String()
}

func (s *script) task(id model.ID) *executor.Task {
	grace := 3 * time.Second
	task := &executor.Task{ID: id, Spec: &swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{StopGracePeriod: &grace}}}
	if b := s.behaves[id]; b != nil && b.CheckAfter > 0 {
		task.Spec.ContainerSpec.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "x"}}
	}
	if p := s.ports[id]; p > 0 {
		task.Ports = []swarm.PortConfig{{Protocol: "tcp", TargetPort: 80, PublishedPort: p}}
	}
	return task
}

func showEvent(e Event) string {
	at := e.At.Sub(epoch).String()
	if e.Op == nil {
		return at + " " + showContainer(e.Container)
	}
	kind := [...]string{Prepare: "prepare", Start: "start", Stop: "stop", Remove: "remove"}[e.Op.Kind]
	if e.Err != nil {
		return fmt.Sprintf("%s %s of %s: %v", at, kind, short(e.Op.ID), e.Err)
	}
	return fmt.Sprintf("%s %s of %s: %s", at, kind, short(e.Op.ID), showContainer(e.Container))
}

func showContainer(c executor.Container) string {
	if c.TaskID.IsZero() {
		return "done"
	}
	s := short(c.TaskID) + "/" + c.ID[:4] + " " + [...]string{"created", "running", "exited", "gone"}[c.Phase]
	if c.PID != 0 {
		s += fmt.Sprintf(" pid=%d", c.PID)
	}
	if c.Phase == executor.Exited {
		s += fmt.Sprintf(" code=%d", c.ExitCode)
	}
	if c.OOMKilled {
		s += " oom"
	}
	if c.Health != executor.NoCheck {
		s += " " + [...]string{"", "checking", "healthy", "unhealthy"}[c.Health]
	}
	if c.HealthLog != "" {
		s += " (" + c.HealthLog + ")"
	}
	if len(c.Ports) > 0 {
		s += fmt.Sprintf(" port=%d", c.Ports[0].PublishedPort)
	}
	return s
}

func short(id model.ID) string { return strings.TrimLeft(id.String(), "0") }

// TestSameSeedSameEvents: any sequence of operations and faults gives the same events twice; every operation ends
// exactly once; no container goes back to an earlier phase, and a task has one at a time.
func TestSameSeedSameEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := Config{
			Prepare: Range{0, time.Second}, Start: Range{0, time.Second}, Stop: Range{0, 20 * time.Second}, Remove: Range{0, time.Second},
			PrepareFails: 100, StartFails: 100, Crashes: 300, Life: Range{0, 5 * time.Second}, OutOfMemory: 300, Sick: 300, Check: Range{0, 5 * time.Second},
		}
		seed := rapid.Uint64().Draw(t, "seed")
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 60).Draw(t, "steps")
		first, second := playSteps(t, config, seed, steps), playSteps(t, config, seed, steps)
		if first != second {
			t.Fatalf("the same seed gave\n%s\nand\n%s", first, second)
		}
	})
}

type step struct {
	after  time.Duration
	action int
	task   uint64
}

func drawStep(t *rapid.T) step {
	return step{
		after: time.Duration(rapid.IntRange(0, 2000).Draw(t, "after")) * time.Millisecond, action: rapid.IntRange(1, 9).Draw(t, "action"),
		task: rapid.Uint64Range(1, 3).Draw(t, "task"),
	}
}

func playSteps(t *rapid.T, config Config, seed uint64, steps []step) string {
	s := &script{behaves: map[model.ID]*Behaviour{}}
	s.machine = NewMachine(env.Seeded(seed, nil), config)
	watch := &invariants{open: map[*Op]bool{}, phase: map[string]executor.Phase{}, current: map[model.ID]string{}}
	now := epoch
	var log strings.Builder
	for _, st := range steps {
		now = now.Add(st.after)
		id := model.NumID(st.task)
		watch.see(t, s.machine.Due(now), &log)
		switch st.action {
		case 5:
			s.machine.Crash(id, 1, false, now)
		case 6:
			s.machine.Sicken(id, "", now)
		case 7:
			s.machine.Vanish(id, now)
		case 8:
			s.machine.Lose(now)
		case 9:
			s.machine.Recover()
			clear(watch.current) // what happened meanwhile went unseen
		default:
			op := &Op{Kind: Kind(st.action), ID: id, Task: s.task(id)}
			watch.open[op] = true
			s.machine.Submit(op, now)
		}
	}
	for {
		watch.see(t, s.machine.Due(now), &log)
		next, ok := s.machine.Next()
		if !ok {
			break
		}
		now = next
	}
	for op := range watch.open {
		t.Fatalf("operation %d of task %s never ended", op.Kind, op.ID)
	}
	return log.String()
}

type invariants struct {
	open    map[*Op]bool
	phase   map[string]executor.Phase
	current map[model.ID]string
}

func (w *invariants) see(t *rapid.T, events []Event, log *strings.Builder) {
	for _, e := range events {
		log.WriteString(showEvent(e) + "\n")
		if e.Op != nil {
			if !w.open[e.Op] {
				t.Fatalf("an operation ended that was not open: %s", showEvent(e))
			}
			delete(w.open, e.Op)
			continue
		}
		c := e.Container
		if c.Phase < w.phase[c.ID] {
			t.Fatalf("%s: back from phase %d", showEvent(e), w.phase[c.ID])
		}
		if other := w.current[c.TaskID]; other != "" && other != c.ID {
			t.Fatalf("%s: the task has container %s too", showEvent(e), other)
		}
		w.phase[c.ID], w.current[c.TaskID] = c.Phase, c.ID
		if c.Phase == executor.Gone {
			delete(w.current, c.TaskID)
		}
	}
}

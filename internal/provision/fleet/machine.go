package fleet

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/provision"
	"github.com/skep-org/skep/internal/provision/doctor"
)

// machine is one that is worked on, connected to.
type machine struct {
	provision.Machine
	host  provision.Host
	fleet *Fleet
	api   *client.Client
	talks sync.WaitGroup // connections to its daemon

	found   provision.Found
	want    provision.Want
	program Program
}

// open connects to a machine and looks at its host.
func (f *Fleet) open(ctx context.Context, m provision.Machine) (*machine, error) {
	driver, ok := f.Drivers[m.Driver]
	if !ok {
		return nil, fmt.Errorf("this skep has no driver %s", m.Driver)
	}
	host, err := driver.Open(ctx, m)
	if err != nil {
		return nil, err
	}
	one := &machine{Machine: m, host: host, fleet: f}
	if one.api, err = one.client(); err == nil {
		err = one.survey(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, one.close())
	}
	return one, nil
}

func (m *machine) close() error {
	if m == nil {
		return nil
	}
	var err error
	if m.api != nil {
		err = m.api.Close()
	}
	err = errors.Join(err, m.host.Close())
	m.talks.Wait()
	return err
}

// How long a script may take on a host; one that hangs there, on a disk or a lock, is given up.
const (
	lookLimit = time.Minute
	stepLimit = 20 * time.Minute // packages are downloaded by one, and the program is copied by one
)

// run runs a script on the host, for no longer than a limit.
func (m *machine) run(ctx context.Context, limit time.Duration, script string, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it has not ended within %s and was given up: see what hangs on the host", limit))
	defer cancel()
	return m.host.Run(ctx, script, in, out)
}

// survey looks at the host anew.
func (m *machine) survey(ctx context.Context) error {
	var out bytes.Buffer
	if err := m.run(ctx, cmp.Or(m.fleet.LookLimit, lookLimit), provision.Survey(), nil, &out); err != nil {
		return fmt.Errorf("looking at the host: %w", err)
	}
	m.found = provision.ParseFound(out.String())
	m.want, m.program = m.fleet.Programs.want(m.found.Machine)
	return nil
}

// step does something and shows it.
func (m *machine) step(name string, f func() error) error {
	m.fleet.say(m.Name, name)
	began := time.Now()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	m.fleet.say(m.Name, fmt.Sprintf("%s: done (%.1fs)", name, time.Since(began).Seconds()))
	return nil
}

// copyProgram copies the program to the host, unless it is there.
func (m *machine) copyProgram(ctx context.Context) error {
	if err := provision.Refuse(m.found, m.want); err != nil {
		return err
	}
	if !provision.NeedsCopy(m.found, m.want) {
		return nil
	}
	return m.step(fmt.Sprintf("copy skep (%s)", units.HumanSize(float64(m.program.Size))), func() error {
		program, err := os.Open(m.program.Path)
		if err != nil {
			return err
		}
		defer func() { _ = program.Close() }()
		if err := m.run(ctx, stepLimit, provision.TakeCopy(), program, nil); err != nil {
			return err
		}
		if err := m.survey(ctx); err != nil {
			return err
		}
		if m.found.Staged != m.want.Sum {
			return fmt.Errorf("what arrived at %s is not what was sent: is the disk full?", provision.Staged)
		}
		return nil
	})
}

// clockLimit is how far a host's clock may be from this machine's.
const clockLimit = 30 * time.Second

// check has the program on the host examine it, and refuses one that is not fit. It tells whether the engine answers.
func (m *machine) check(ctx context.Context, managers []string) (engine bool, err error) {
	err = m.step("check the host", func() error {
		script := provision.Candidate(m.found, m.want) + " doctor --bare --json"
		for _, addr := range managers {
			script += " --manager " + provision.Quote(addr)
		}
		var out bytes.Buffer
		began := time.Now()
		if err := m.run(ctx, lookLimit, script, nil, &out); err != nil {
			return err
		}
		ended := time.Now()
		var report struct {
			Facts    doctor.Facts
			Findings []doctor.Finding
		}
		if err := json.Unmarshal(out.Bytes(), &report); err != nil {
			return fmt.Errorf("what it says cannot be read: %w", err)
		}
		engine = report.Facts.Engine.Err == ""
		found := slices.Concat(report.Findings, doctor.Clock(report.Facts.At, began, ended, clockLimit))
		for _, one := range found {
			m.fleet.say(m.Name, fmt.Sprintf("%s: %s: %s (%s)", one.Level, one.Area, one.What, one.Mend))
		}
		if !doctor.Sound(found) {
			return errors.New("the host is not fit: mend what is wrong, then run this again")
		}
		return nil
	})
	return engine, err
}

// do runs steps on the host.
func (m *machine) do(ctx context.Context, steps []provision.Step) error {
	for _, s := range steps {
		err := m.step(s.Name, func() error {
			out := &lastLine{}
			stop := out.tell(s.Name, func(line string) { m.fleet.say(m.Name, line) })
			defer stop()
			var in io.Reader
			if s.Input != "" {
				in = strings.NewReader(s.Input)
			}
			err := m.run(ctx, stepLimit, s.Script, in, out)
			if note := out.last(); strings.HasPrefix(note, "note: ") {
				m.fleet.say(m.Name, note)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

package scale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"
)

// setup is the first thing that a part is told.
type setup struct {
	Manager *managerSetup `json:",omitempty"`
	Agents  *agentsSetup  `json:",omitempty"`
}

// question is what the run asks a part; each is answered before the next.
type question struct {
	Do   string
	File string `json:",omitempty"` // to write to
	Many int    `json:",omitempty"`
}

// answer is what a part answers: what was asked for, or why not.
type answer struct {
	Err  string          `json:",omitempty"`
	Data json.RawMessage `json:",omitempty"`
}

// role is what a process of a run does.
type role interface {
	// run serves until ctx ends. ready is called once, when questions can be asked, with what the run is to know.
	run(ctx context.Context, ready func(any)) error
	answer(ctx context.Context, q question) (any, error)
}

// Part is one process of a run, told what it is by in. It ends when in does.
func Part(ctx context.Context, version string, in io.Reader, out io.Writer) error {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	var s setup
	if err := dec.Decode(&s); err != nil {
		return fmt.Errorf("this command is run by skep sim, which tells it what to do: %w", err)
	}
	r, err := s.role(version)
	if err != nil {
		return errors.Join(err, enc.Encode(answer{Err: err.Error()}))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	started := make(chan struct{})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := r.run(ctx, func(data any) {
			_ = reply(enc, data, nil) // the run is gone if it does not hear it, and so is this process
			close(started)
		})
		if err != nil && ctx.Err() == nil {
			_ = enc.Encode(answer{Err: err.Error()})
		}
		return err
	})
	go func() { // ends with the process, whose input it reads
		defer cancel()
		select {
		case <-started:
		case <-ctx.Done():
			return
		}
		for {
			var q question
			if dec.Decode(&q) != nil {
				return
			}
			data, err := r.answer(ctx, q)
			if reply(enc, data, err) != nil {
				return
			}
		}
	}()
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func reply(enc *json.Encoder, data any, err error) error {
	if err != nil {
		return enc.Encode(answer{Err: err.Error()})
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return enc.Encode(answer{Data: raw})
}

func (s setup) role(version string) (role, error) {
	switch {
	case s.Manager != nil:
		return newManagerRole(*s.Manager, version)
	case s.Agents != nil:
		return newAgentsRole(*s.Agents)
	}
	return nil, errors.New("this process was not told what it is")
}

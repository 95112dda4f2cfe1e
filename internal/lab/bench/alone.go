package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/skep-org/skep/internal/lab/differential/side"
)

// alone does the same works with nothing but the engine, ten containers at a
// time: as fast as anything on top of this engine can hope to be.
type alone struct {
	engine *side.Side
	ids    []string
	end    func() error // of the prepared answer
}

const atATime = 10

func (a *alone) create(ctx context.Context, n int) error {
	ids, err := a.start(ctx, image1, n)
	a.ids = append(a.ids, ids...)
	return err
}

func (a *alone) scale(ctx context.Context, n int) error { return a.create(ctx, n-len(a.ids)) }

func (a *alone) update(ctx context.Context) error {
	old := a.ids
	a.ids = make([]string, len(old))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atATime)
	for i, id := range old {
		g.Go(func() error {
			if err := a.delete(ctx, id); err != nil {
				return err
			}
			var err error
			a.ids[i], err = a.startOne(ctx, image2)
			return err
		})
	}
	return g.Wait()
}

func (a *alone) remove(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atATime)
	for _, id := range a.ids {
		g.Go(func() error { return a.delete(ctx, id) })
	}
	a.ids = nil
	return g.Wait()
}

func (a *alone) start(ctx context.Context, image string, n int) ([]string, error) {
	ids := make([]string, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atATime)
	for i := range ids {
		g.Go(func() error {
			var err error
			ids[i], err = a.startOne(ctx, image)
			return err
		})
	}
	return ids, g.Wait()
}

func (a *alone) startOne(ctx context.Context, image string) (string, error) {
	body := fmt.Appendf(nil, `{"Image":%q}`, image)
	made, err := a.engine.Call(ctx, http.MethodPost, "/containers/create", body)
	if err := expect(made, err); err != nil {
		return "", err
	}
	var c struct{ ID string }
	if err := json.Unmarshal(made.Body, &c); err != nil {
		return "", fmt.Errorf("reading the new container's id: %w", err)
	}
	return c.ID, expect(a.engine.Call(ctx, http.MethodPost, "/containers/"+c.ID+"/start", nil))
}

func (a *alone) delete(ctx context.Context, id string) error {
	return expect(a.engine.Call(ctx, http.MethodDelete, "/containers/"+id+"?force=1&v=1", nil))
}

// lists asks for the same list where the answer lies ready in memory: what is left is the CLI's own time.
func (a *alone) lists(context.Context) (cli, api func(context.Context) error, err error) {
	s, end, err := prepared(a.engine)
	if err != nil {
		return nil, nil, err
	}
	a.end = end
	cli, api = listings(s)
	return cli, api, nil
}

func (a *alone) close(context.Context) error {
	if a.end == nil {
		return nil
	}
	return a.end()
}

// shell runs a CLI line and checks that it printed as many lines as it should.
func shell(ctx context.Context, s *side.Side, line string, lines int) error {
	out, err := s.Shell(ctx, "exec "+line, nil)
	if err != nil {
		return err
	}
	if got := bytes.Count([]byte(out.Stdout), []byte("\n")); out.Exit != 0 || got != lines {
		return fmt.Errorf("%q printed %d lines, not %d (exit %d): %s", line, got, lines, out.Exit, out.Stderr)
	}
	return nil
}

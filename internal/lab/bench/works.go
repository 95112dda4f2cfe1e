package bench

import (
	"context"
	"fmt"
	"time"
)

// The works, by the names the results carry.
const (
	Create    = "create 20"
	Scale     = "scale 20-40"
	Update    = "update 20"
	Remove    = "remove"
	List      = "service ls 200"
	ListByAPI = "service ls 200 (API call alone)"
)

// Works lists all works in the order they are reported.
func Works() []string { return []string{Create, Scale, Update, Remove, List, ListByAPI} }

const (
	small, large = 20, 40
	services     = 200
	calls        = 11 // repetitions of a list within one round
	image1       = "skep/test:1"
	image2       = "skep/test:2"
)

// party is who does the works: a cluster or the engine alone.
type party interface {
	create(ctx context.Context, replicas int) error
	scale(ctx context.Context, replicas int) error
	update(ctx context.Context) error
	remove(ctx context.Context) error
	// lists prepares the services to list and returns one listing by the CLI
	// and one by the API.
	lists(ctx context.Context) (cli, api func(context.Context) error, err error)
	close(ctx context.Context) error
}

// round lets one party do every work once and returns the seconds.
func round(ctx context.Context, p party, c *containers) (map[string]float64, error) {
	took := map[string]float64{}
	timed := func(work string, do func(context.Context) error, done func(count) bool) error {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
		defer cancel()
		start := time.Now()
		if err := do(ctx); err != nil {
			return fmt.Errorf("%s: %w", work, err)
		}
		if err := c.until(ctx, done); err != nil {
			return fmt.Errorf("%s: %w", work, err)
		}
		took[work] = time.Since(start).Seconds()
		return nil
	}
	running := func(n int) func(count) bool {
		return func(now count) bool { return now.running[image1] == n && now.running[image2] == 0 }
	}
	gone := func(now count) bool { return now.all == 0 }
	replaced := func(now count) bool { return now.running[image1] == 0 && now.running[image2] == small }
	make20 := func(ctx context.Context) error { return p.create(ctx, small) }

	steps := []struct {
		work string
		do   func(context.Context) error
		done func(count) bool
	}{
		{Create, make20, running(small)},
		{Scale, func(ctx context.Context) error { return p.scale(ctx, large) }, running(large)},
		{Remove, p.remove, gone},
		// A fresh service, so that what the update leaves behind is not part of
		// the removal that is measured.
		{"", make20, running(small)},
		{Update, p.update, replaced},
		{"", p.remove, gone},
	}
	for _, s := range steps {
		if err := timed(s.work, s.do, s.done); err != nil {
			return nil, err
		}
	}
	delete(took, "")
	return took, listRound(ctx, p, took)
}

func listRound(ctx context.Context, p party, took map[string]float64) error {
	cli, api, err := p.lists(ctx)
	if err != nil {
		return fmt.Errorf("preparing %s: %w", List, err)
	}
	for work, list := range map[string]func(context.Context) error{List: cli, ListByAPI: api} {
		var all []float64
		for range calls {
			start := time.Now()
			if err := list(ctx); err != nil {
				return fmt.Errorf("%s: %w", work, err)
			}
			all = append(all, time.Since(start).Seconds())
		}
		took[work] = median(all)
	}
	return nil
}

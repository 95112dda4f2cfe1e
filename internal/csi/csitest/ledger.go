package csitest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Ledger is a stateful service: it counts on in a file, one line a number, each on disk before the next, and holds a lock on the
// file while it runs. It fails when somebody else has the lock, or a number that was written is missing.
func Ledger(ctx context.Context, file string, every time.Duration) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("another one writes to %s: %w", file, err)
	}
	n, err := LastNumber(file)
	if err != nil {
		return err
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		n++
		if _, err := fmt.Fprintln(f, n); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// LastNumber is how far a ledger has come, if all before is there.
func LastNumber(file string) (n int, err error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		got, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil || got != n+1 {
			return 0, fmt.Errorf("%s has %q after %d", file, line, n)
		}
		n = got
	}
	return n, nil
}

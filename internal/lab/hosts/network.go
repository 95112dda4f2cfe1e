package hosts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// Partition separates groups of hosts from each other; hosts in no group reach everyone. One group alone is separated
// from all other hosts. The client is cut off only where it is named. Partitions add up until Heal.
func (l *Lab) Partition(ctx context.Context, groups ...[]string) error {
	return l.partition(ctx, groups, false)
}

// PartitionOneWay loses what the hosts of one group send to those of another; the other way packets pass.
func (l *Lab) PartitionOneWay(ctx context.Context, from, to []string) error {
	return l.partition(ctx, [][]string{from, to}, true)
}

func (l *Lab) partition(ctx context.Context, groups [][]string, oneWay bool) error {
	groups, err := l.groups(groups)
	if err == nil {
		err = l.changeFaults(ctx, func(f *faults) { f.separate(groups, oneWay) })
	}
	if err != nil {
		return fmt.Errorf("partitioning the lab: %w", err)
	}
	return nil
}

// Loss loses that many of a hundred packets from a machine and to it; 0 ends it.
func (l *Lab) Loss(ctx context.Context, name string, percent int) error {
	_, err := l.Find(name)
	if err == nil && (percent < 0 || percent > 100) {
		err = fmt.Errorf("%d is no number of packets of a hundred", percent)
	}
	if err == nil {
		err = l.changeFaults(ctx, func(f *faults) { f.Loss = with(f.Loss, name, percent) })
	}
	if err != nil {
		return fmt.Errorf("losing packets of %s: %w", name, err)
	}
	return nil
}

// Delay makes packets from a machine and to it arrive that much later; 0 ends it. The kernel has to have netem.
func (l *Lab) Delay(ctx context.Context, name string, d time.Duration) error {
	_, err := l.Find(name)
	if err == nil && d < 0 {
		err = fmt.Errorf("%v is no delay", d)
	}
	if err == nil {
		err = l.changeFaults(ctx, func(f *faults) { f.Delay = with(f.Delay, name, d) })
	}
	if err != nil {
		return fmt.Errorf("delaying packets of %s: %w", name, err)
	}
	return nil
}

// Rate bounds what a machine's link carries each way, in bits a second; 0 ends it.
func (l *Lab) Rate(ctx context.Context, name string, rate Bitrate) error {
	_, err := l.Find(name)
	if err == nil {
		err = l.changeFaults(ctx, func(f *faults) { f.Rate = with(f.Rate, name, rate) })
	}
	if err != nil {
		return fmt.Errorf("bounding the link of %s: %w", name, err)
	}
	return nil
}

// Heal takes all faults of the network away. It turns on no host and resumes none.
func (l *Lab) Heal(ctx context.Context) error {
	if err := l.changeFaults(ctx, func(f *faults) { *f = faults{} }); err != nil {
		return fmt.Errorf("healing the lab: %w", err)
	}
	return nil
}

// Faults tells what is wrong with the lab's network, a line each.
func (l *Lab) Faults() (string, error) {
	f, err := l.faults()
	return f.String(), err
}

func (l *Lab) faultsFile() string { return filepath.Join(l.cfg.Dir, "faults.json") }

func (l *Lab) faults() (faults, error) {
	var f faults
	if err := readJSON(l.faultsFile(), &f); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	return f, nil
}

func (l *Lab) changeFaults(ctx context.Context, change func(*faults)) error {
	return l.lockAll(func() error {
		f, err := l.faults()
		if err != nil {
			return err
		}
		before := map[string]shape{}
		for _, m := range l.machines {
			before[m.Name] = f.shape(m.Name)
		}
		change(&f)
		if err := l.onSwitch(ctx, f.rules(), "nft", "-f", "-"); err != nil {
			return err
		}
		for _, m := range l.machines {
			if now := f.shape(m.Name); now != before[m.Name] {
				if err := l.shapeLink(ctx, m, now); err != nil {
					return err
				}
			}
		}
		return writeJSON(l.faultsFile(), f)
	})
}

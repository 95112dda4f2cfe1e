package hosts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/lab/hosts/guest"
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
		err = l.changeFaults(ctx, func(f *faults) {
			if f.Loss == nil {
				f.Loss = map[string]int{}
			}
			f.Loss[name] = percent
			if percent == 0 {
				delete(f.Loss, name)
			}
		})
	}
	if err != nil {
		return fmt.Errorf("losing packets of %s: %w", name, err)
	}
	return nil
}

// Delay makes packets from a machine and to it arrive that much later; 0 ends it. The kernel has to have netem.
func (l *Lab) Delay(ctx context.Context, name string, d time.Duration) error {
	h, err := l.Find(name)
	if err == nil && d < 0 {
		err = fmt.Errorf("%v is no delay", d)
	}
	if err == nil {
		err = l.delay(ctx, h.m, d)
	}
	if err == nil {
		err = l.changeFaults(ctx, func(f *faults) {
			if f.Delay == nil {
				f.Delay = map[string]time.Duration{}
			}
			f.Delay[name] = d
			if d == 0 {
				delete(f.Delay, name)
			}
		})
	}
	if err != nil {
		return fmt.Errorf("delaying packets of %s: %w", name, err)
	}
	return nil
}

// Heal takes all faults of the network away. It turns on no host and resumes none.
func (l *Lab) Heal(ctx context.Context) error {
	var late []string
	err := l.changeFaults(ctx, func(f *faults) {
		for name := range f.Delay {
			late = append(late, name)
		}
		*f = faults{}
	})
	for _, name := range late {
		err = errors.Join(err, l.delay(ctx, l.Host(name).m, 0))
	}
	if err != nil {
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
		change(&f)
		if err := l.onSwitch(ctx, f.rules(), "nft", "-f", "-"); err != nil {
			return err
		}
		return writeJSON(l.faultsFile(), f)
	})
}

// reapply puts a machine's delay into effect on its new link; the switch's rules go by its name.
func (l *Lab) reapply(ctx context.Context, m machine) error {
	f, err := l.faults()
	if err != nil || f.Delay[m.Name] == 0 {
		return err
	}
	return l.delay(ctx, m, f.Delay[m.Name])
}

// delay sets both ends of a machine's link: each delays what it sends.
func (l *Lab) delay(ctx context.Context, m machine, d time.Duration) error {
	pid, err := firstProcess(l.machineDir(m.Name))
	if err != nil || pid == 0 {
		return err // its link is made anew when it starts
	}
	args := func(dev string) []string {
		if d == 0 {
			return []string{"qdisc", "delete", "dev", dev, "root"}
		}
		return []string{"qdisc", "replace", "dev", dev, "root", "netem", "delay", fmt.Sprintf("%dus", d.Microseconds()), "limit", "100000"}
	}
	atSwitch := l.onSwitch(ctx, "", "tc", args(m.Name)...)
	out, atHost := within(ctx, pid, "tc", args(guest.Link)...).CombinedOutput()
	switch said := string(out); {
	case d == 0, atSwitch == nil && atHost == nil: // there may have been none
		return nil
	case strings.Contains(said, "qdisc kind is unknown"), strings.Contains(said, "No such file"):
		return errors.New("this kernel cannot: it has no netem (CONFIG_NET_SCH_NETEM); losing packets, partitions and pauses work")
	default:
		return errors.Join(atSwitch, atHost, errors.New(strings.TrimSpace(said)))
	}
}

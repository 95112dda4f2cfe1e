package hosts

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// Bitrate is what a link carries, in bits a second.
type Bitrate uint64

// minBitrate lets a packet through before whoever waits for it gives up.
const minBitrate Bitrate = 64_000

// bitrateUnits are tc's, the largest first.
func bitrateUnits() []struct {
	name string
	size Bitrate
} {
	return []struct {
		name string
		size Bitrate
	}{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}}
}

// ParseBitrate reads a rate such as 200mbit; 0 is none.
func ParseBitrate(s string) (Bitrate, error) {
	if s == "0" {
		return 0, nil
	}
	for _, u := range bitrateUnits() {
		number, ok := strings.CutSuffix(strings.ToLower(s), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 32)
		if rate := Bitrate(n) * u.size; err == nil && rate >= minBitrate {
			return rate, nil
		}
	}
	return 0, fmt.Errorf("%q is no rate such as 200mbit, of at least %s", s, minBitrate)
}

// String implements fmt.Stringer.
func (r Bitrate) String() string {
	for _, u := range bitrateUnits() {
		if r%u.size == 0 && r > 0 {
			return strconv.FormatUint(uint64(r/u.size), 10) + u.name
		}
	}
	return strconv.FormatUint(uint64(r), 10) + "bit"
}

// shape is what a machine's link does to packets either way.
type shape struct {
	delay time.Duration
	rate  Bitrate
}

func (f faults) shape(name string) shape { return shape{f.Delay[name], f.Rate[name]} }

// with sets an entry of a map, which is made where it is missing; the zero value takes it out.
func with[V comparable](m map[string]V, name string, v V) map[string]V {
	var zero V
	if v == zero {
		delete(m, name)
		return m
	}
	if m == nil {
		m = map[string]V{}
	}
	m[name] = v
	return m
}

const (
	// queueFor is how long a packet waits in a bounded link's queue at most.
	queueFor = 50 * time.Millisecond
	// leastBurst holds a few of the largest packets that the kernel hands to a link.
	leastBurst = 256 << 10
)

// commands are tc's arguments that give a device this shape in place of none.
func (s shape) commands(dev string) (list [][]string) {
	at := []string{"root"}
	if s.rate > 0 {
		burst := max(leastBurst, uint64(s.rate)/8/100)
		list = append(list, []string{"qdisc", "add", "dev", dev, "root", "handle", "1:", "tbf",
			"rate", strconv.FormatUint(uint64(s.rate), 10) + "bit", "burst", strconv.FormatUint(burst, 10) + "b", "latency", queueFor.String()})
		at = []string{"parent", "1:1"}
	}
	if s.delay > 0 {
		list = append(list, append(append([]string{"qdisc", "add", "dev", dev}, at...),
			"netem", "delay", fmt.Sprintf("%dus", s.delay.Microseconds()), "limit", "100000"))
	}
	return list
}

// reapply shapes a machine's new link; the switch's rules go by its name.
func (l *Lab) reapply(ctx context.Context, m machine) error {
	f, err := l.faults()
	if s := f.shape(m.Name); err == nil && s != (shape{}) {
		return l.shapeLink(ctx, m, s)
	}
	return err
}

// shapeLink sets both ends of a machine's link: each shapes what it sends.
func (l *Lab) shapeLink(ctx context.Context, m machine, s shape) error {
	pid, err := firstProcess(l.machineDir(m.Name))
	if err != nil || pid == 0 {
		return err // its link is made anew when it starts
	}
	hub, err := firstProcess(l.machineDir(switchName))
	if err != nil {
		return err
	}
	for _, end := range []struct {
		pid int
		dev string
	}{{hub, m.Name}, {pid, guest.Link}} {
		_ = within(ctx, end.pid, "tc", "qdisc", "delete", "dev", end.dev, "root").Run() // there may be none
		for _, args := range s.commands(end.dev) {
			if out, err := within(ctx, end.pid, "tc", args...).CombinedOutput(); err != nil {
				return cannotShape(strings.TrimSpace(string(out)), err, s)
			}
		}
	}
	return nil
}

func cannotShape(said string, err error, s shape) error {
	if s.delay > 0 && (strings.Contains(said, "qdisc kind is unknown") || strings.Contains(said, "No such file")) {
		return errors.New("this kernel cannot: it has no netem (CONFIG_NET_SCH_NETEM); losing packets, rates, partitions and pauses work")
	}
	return fmt.Errorf("tc: %w: %s", err, said)
}

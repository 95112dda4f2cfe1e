package hosts

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// clockTick is the unit of processor times in /proc; the kernel has one value for all that read them.
const clockTick = 10 * time.Millisecond

// Spent is the processor time of everything that has run on the host since it was started, whatever ended meanwhile. Of a
// host that is off it is an error.
func (h *Host) Spent() (time.Duration, error) {
	first, err := firstProcess(h.dir())
	if err != nil || first == 0 {
		return 0, errors.Join(err, fmt.Errorf("%s is off", h.Name))
	}
	space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", first))
	if err != nil {
		return 0, fmt.Errorf("finding the processes of %s: %w", h.Name, err)
	}
	links, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, l := range links {
		if in, err := os.Readlink(l); err != nil || in != space {
			continue // another host's, or it ended meanwhile: then its parent has its time
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(l)), "stat"))
		if err != nil {
			continue
		}
		t, err := processorTime(stat)
		if err != nil {
			return 0, fmt.Errorf("reading the processor time of a process of %s: %w", h.Name, err)
		}
		sum += t
	}
	return sum, nil
}

// processorTime is what a process and the children that it has waited for have used, by its line in /proc.
func processorTime(stat []byte) (time.Duration, error) {
	const first, last = 11, 14 // utime, stime, cutime, cstime; counted from the state, which follows the bracketed name
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= last {
		return 0, fmt.Errorf("%q has %d fields after the name", stat, len(fields))
	}
	var ticks int64
	for _, f := range fields[first : last+1] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

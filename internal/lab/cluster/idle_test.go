package cluster

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// What an idle daemon may take, in a cluster of five nodes.
const (
	workerMemory  = 60 << 20
	managerMemory = 100 << 20
	idleProcessor = 0.02 // of a core; promised is half of it, on a machine that does nothing else
	idleWatch     = 4 * time.Second
)

// usage is what a process has taken of the machine.
type usage struct {
	memory    int64
	processor time.Duration
}

// use reads the usage of a host's daemon.
func (f *fixture) use(host string) usage {
	f.t.Helper()
	out, err := f.Host(host).Exec(f.t.Context(), "sh", "-c", "cat /proc/$(cat "+guest.PidFile(hosts.Daemon)+")/stat")
	f.must(err)
	field := strings.Fields(out[strings.LastIndexByte(out, ')')+1:]) // the third of stat's fields and on
	number := func(i int) int64 {
		n, err := strconv.ParseInt(field[i-3], 10, 64)
		f.must(err)
		return n
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 wherever Linux runs Docker
	return usage{number(24) * int64(os.Getpagesize()), time.Duration(number(14)+number(15)) * tick}
}

// idle measures daemons while nothing is asked of them. Other programs can make it read more than there is, so the
// best of three tries counts.
func idle(f *fixture) {
	var wrong []string
	for range 3 {
		wrong = nil
		before := map[string]usage{}
		for _, h := range f.Hosts() {
			before[h.Name] = f.use(h.Name)
		}
		time.Sleep(idleWatch) // a measurement takes its time
		for _, h := range f.Hosts() {
			now, limit := f.use(h.Name), int64(workerMemory)
			if h.Role == hosts.Manager {
				limit = managerMemory
			}
			part := float64(now.processor-before[h.Name].processor) / float64(idleWatch)
			f.t.Logf("%s: %d MB, %.2f %% of a core", h.Name, now.memory>>20, 100*part)
			if now.memory > limit {
				wrong = append(wrong, fmt.Sprintf("the idle daemon of %s has %d MB, allowed are %d", h.Name, now.memory>>20, limit>>20))
			}
			if part > idleProcessor {
				wrong = append(wrong, fmt.Sprintf("the idle daemon of %s takes %.2f %% of a core", h.Name, 100*part))
			}
		}
		if len(wrong) == 0 {
			return
		}
	}
	f.t.Error(strings.Join(wrong, "\n"))
}

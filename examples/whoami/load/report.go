package load

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Report is what came of a run.
type Report struct {
	Requests, Failures int
	Seconds            float64
	Bytes              int64
	// Times that answered requests took.
	P50, P90, P99, Max time.Duration
	// Late is by how much a request was sent later than its time at most: what the client itself lacked of the machine.
	Late time.Duration
	// Reasons count all failures.
	Reasons map[string]int `json:",omitempty"`
	Targets []Target
	// Failed are the failures, the first thousand of them.
	Failed []Failure `json:",omitempty"`
}

// Target is what came of the requests to one target.
type Target struct {
	URL                        string
	Requests, Failures, Reused int
	Who                        map[string]int       // who answered how often
	First                      map[string]time.Time // when each answered first
	Remotes                    map[string]int       // whom the servers took the asker for
}

// Failure is a request that was not answered, or not well.
type Failure struct {
	At     time.Time // when it was sent
	Took   time.Duration
	Target string
	Kept   bool // over a connection that was kept
	Reason string
}

func (f Failure) String() string {
	kind := "new"
	if f.Kept {
		kind = "kept"
	}
	return fmt.Sprintf("%s %s (%s connection) after %v: %s", f.At.Format("15:04:05.000"), f.Target, kind, f.Took.Round(time.Millisecond), f.Reason)
}

// String is the report for people: totals and the first failures.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests in %.1f s, %d failed; half took up to %v, 99 of 100 up to %v, the slowest %v", r.Requests, r.Seconds, r.Failures,
		r.P50.Round(10*time.Microsecond), r.P99.Round(10*time.Microsecond), r.Max.Round(10*time.Microsecond))
	for i, f := range r.Failed {
		if i == 20 {
			fmt.Fprintf(&b, "\n  … and %d more", r.Failures-i)
			break
		}
		b.WriteString("\n  " + f.String())
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Reasons)) {
		fmt.Fprintf(&b, "\n  %d times: %s", r.Reasons[reason], reason)
	}
	if r.Late > time.Second {
		fmt.Fprintf(&b, "\n  the client itself was up to %v late: the machine has too much to do", r.Late.Round(time.Millisecond))
	}
	return b.String()
}

const keptFailures = 1000

type recorder struct {
	mu    sync.Mutex
	began time.Time
	took  []time.Duration
	sum   Report
	at    map[*target]int
}

func newRecorder(targets []*target) *recorder {
	r := &recorder{began: time.Now(), at: map[*target]int{}}
	r.sum.Reasons = map[string]int{}
	for i, t := range targets {
		r.at[t] = i
		r.sum.Targets = append(r.sum.Targets, Target{URL: t.url, Who: map[string]int{}, First: map[string]time.Time{}, Remotes: map[string]int{}})
	}
	return r
}

func (r *recorder) add(t *target, keep bool, began time.Time, a answer, err error) {
	took := time.Since(began)
	r.mu.Lock()
	defer r.mu.Unlock()
	all, one := &r.sum, &r.sum.Targets[r.at[t]]
	all.Requests++
	one.Requests++
	all.Bytes += a.bytes
	if a.reused {
		one.Reused++
	}
	if err == nil {
		r.took = append(r.took, took)
		if one.Who[a.who]++; one.Who[a.who] == 1 {
			one.First[a.who] = began.Add(took)
		}
		one.Remotes[a.remote]++
		return
	}
	all.Failures++
	one.Failures++
	all.Reasons[reason(err)]++
	if len(all.Failed) < keptFailures {
		all.Failed = append(all.Failed, Failure{At: began, Took: took, Target: t.url, Kept: keep && a.reused, Reason: reason(err)})
	}
}

// late notes when a request was sent that was due before.
func (r *recorder) late(by time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Late = max(r.sum.Late, by)
}

// reason is an error without the ports, which would make each a kind of its own.
func reason(err error) string {
	said := err.Error()
	stage, _, _ := strings.Cut(said, ": ")
	var errno syscall.Errno
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return said
	case errors.As(err, &errno):
		return stage + ": " + errno.Error()
	case errors.Is(err, os.ErrDeadlineExceeded) || strings.Contains(said, "i/o timeout"):
		return stage + ": time is up"
	}
	return said
}

func (r *recorder) report() *Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.took)
	at := func(share float64) time.Duration {
		if len(r.took) == 0 {
			return 0
		}
		return r.took[min(len(r.took)-1, int(share*float64(len(r.took))))]
	}
	out := r.sum
	out.Seconds = time.Since(r.began).Seconds()
	out.P50, out.P90, out.P99, out.Max = at(0.5), at(0.9), at(0.99), at(1)
	return &out
}

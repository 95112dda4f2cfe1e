package scale

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// Report is what a run found. Times in it are in seconds unless their names say otherwise.
type Report struct {
	Options
	Services   int    `json:"services"`
	Processors int    `json:"processors"`
	Version    string `json:"version"`

	Connect  Connect           `json:"connect"`
	Load     Load              `json:"load"`
	API      map[string]Spread `json:"api_under_load"`
	Steady   *Steady           `json:"steady,omitempty"`
	Burst    *Burst            `json:"burst,omitempty"`
	Failover *Failover         `json:"failover_found,omitempty"`
}

// Connect is the agents' coming.
type Connect struct {
	Seconds       float64 `json:"seconds"`
	LeaderSeconds float64 `json:"leader_cpu_s"`
	LeaderRSS     int64   `json:"leader_rss_bytes"`
}

// Load is from the first service's creation until all tasks ran.
type Load struct {
	Seconds      float64 `json:"seconds"`
	PlacedPerS   float64 `json:"placements_per_s"`
	RunningPerS  float64 `json:"running_per_s"`
	ToRunning    Spread  `json:"create_to_running"`
	Missed       bool    `json:"some_times_by_receipt,omitempty"`
	LeaderMillis float64 `json:"leader_cpu_ms_per_task"`
	OtherMillis  float64 `json:"other_manager_cpu_ms_per_task"`
	AgentsMillis float64 `json:"agents_cpu_ms_per_task"`
	LeaderRSS    int64   `json:"leader_rss_bytes"`
	LeaderHeap   uint64  `json:"leader_heap_bytes"`
	OtherRSS     int64   `json:"other_manager_rss_bytes"`
	AgentsRSS    int64   `json:"agents_rss_bytes"`
	LogPerTask   float64 `json:"log_bytes_per_task"`
	EntryPerTask float64 `json:"log_entries_per_task"`
	NetToAgent   float64 `json:"net_bytes_to_agent"`
	NetFromAgent float64 `json:"net_bytes_from_agent"`
	Others       float64 `json:"cores_of_others"` // what else the machine did
}

// Steady is a time in which nothing is asked of the cluster.
type Steady struct {
	Seconds     float64 `json:"seconds"`
	LeaderCores float64 `json:"leader_cores"`
	OtherCores  float64 `json:"other_manager_cores"`
	AgentsCores float64 `json:"agents_cores"`
	NetPerS     float64 `json:"net_bytes_per_agent_per_s"`
	Others      float64 `json:"cores_of_others"`
}

// Burst is one service that is created while all else stands.
type Burst struct {
	Replicas     int     `json:"replicas"`
	Seconds      float64 `json:"seconds"`
	ToRunning    Spread  `json:"create_to_running"`
	LeaderMillis float64 `json:"leader_cpu_ms_per_task"`
	Others       float64 `json:"cores_of_others"`
}

// Failover is the loss of the leader's process.
type Failover struct {
	WriteSeconds  float64 `json:"until_a_write_s"`   // until a write was acknowledged
	AgentsSeconds float64 `json:"until_agents_s"`    // until all agents had a session with the next leader
	LeaderSeconds float64 `json:"next_leader_cpu_s"` // of that time, the next leader's processor time
	Others        float64 `json:"cores_of_others"`
}

// Spread is how long something took, again and again.
type Spread struct {
	Count int           `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P99   time.Duration `json:"p99_ns"`
	Max   time.Duration `json:"max_ns"`
}

// spread sorts what it is given. Of few values the 99th percentile is the largest.
func spread(took []time.Duration) Spread {
	s := Spread{Count: len(took)}
	if s.Count == 0 {
		return s
	}
	slices.Sort(took)
	s.P50, s.P99, s.Max = took[rank(s.Count, 50)], took[rank(s.Count, 99)], took[s.Count-1]
	return s
}

// rank is where the value is that so many of a hundred do not exceed.
func rank(n, percent int) int { return (n*percent+99)/100 - 1 }

// per is a share of a sum; 0 of nothing.
func per(sum float64, of int) float64 {
	if of == 0 {
		return 0
	}
	return sum / float64(of)
}

// Text is the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "  %-44s %s\n", what, fmt.Sprintf(format, args...))
	}
	head := func(format string, args ...any) { fmt.Fprintf(&b, "\n%s\n", fmt.Sprintf(format, args...)) }
	fmt.Fprintf(&b, "%d managers, %d agents, %d tasks of %d services; %d processors shared by all of it\n", r.Managers, r.Agents, r.Tasks, r.Services, r.Processors)
	head("agents connect")
	line("all are ready after", "%.2f s", r.Connect.Seconds)
	line("leader: processor time, memory", "%.2f s, %s", r.Connect.LeaderSeconds, megabytes(r.Connect.LeaderRSS))
	l := r.Load
	head("create until running (others used %.2f cores meanwhile)", l.Others)
	line("all tasks run after", "%.2f s", l.Seconds)
	line("placements, tasks that came to run", "%.0f/s, %.0f/s", l.PlacedPerS, l.RunningPerS)
	line("create → running, a task", "%s", l.ToRunning.text())
	line("processor time a task: leader", "%.3f ms", l.LeaderMillis)
	line("another manager, all agents together", "%.3f ms, %.3f ms", l.OtherMillis, l.AgentsMillis)
	line("memory: leader (live heap), another manager", "%s (%s), %s", megabytes(l.LeaderRSS), megabytes(int64(l.LeaderHeap)), megabytes(l.OtherRSS))
	line("memory of all agents together", "%s", megabytes(l.AgentsRSS))
	line("raft log a task", "%.0f bytes, %.3f entries", l.LogPerTask, l.EntryPerTask)
	line("network an agent: to it, from it", "%.0f, %.0f bytes", l.NetToAgent, l.NetFromAgent)
	for _, what := range slices.Sorted(maps.Keys(r.API)) {
		line(what, "%s", r.API[what].text())
	}
	if s := r.Steady; s != nil {
		head("all run and nothing is asked for, %.0f s (others used %.2f cores)", s.Seconds, s.Others)
		line("leader, another manager, all agents", "%.3f, %.3f, %.3f cores", s.LeaderCores, s.OtherCores, s.AgentsCores)
		line("network an agent, both ways", "%.0f bytes/s", s.NetPerS)
	}
	if u := r.Burst; u != nil {
		head("a service of %d replicas while the rest stands (others used %.2f cores)", u.Replicas, u.Others)
		line("all its tasks run after", "%.2f s", u.Seconds)
		line("create → running, a task", "%s", u.ToRunning.text())
		line("processor time a task: leader", "%.3f ms", u.LeaderMillis)
	}
	if f := r.Failover; f != nil {
		head("the leader's process is killed (others used %.2f cores)", f.Others)
		line("a write is acknowledged after", "%.2f s", f.WriteSeconds)
		if f.AgentsSeconds > 0 {
			line("all agents have a session again after", "%.2f s", f.AgentsSeconds)
			line("the next leader's processor time for that", "%.2f s", f.LeaderSeconds)
		} else {
			line("all agents have a session again", "not within %s", returnPatience)
		}
	}
	return b.String()
}

func (s Spread) text() string {
	round := func(d time.Duration) time.Duration { return d.Round(max(100*time.Microsecond, d/1000)) }
	return fmt.Sprintf("p50 %s, p99 %s, max %s of %d", round(s.P50), round(s.P99), round(s.Max), s.Count)
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

// WriteFile writes the report for machines.
func (r *Report) WriteFile(path string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ScaleConfig is what Clusters measures.
type ScaleConfig struct {
	Skep  string
	Sizes []Size
	Limit time.Duration // for each size
	Log   io.Writer
}

// Size is a cluster's.
type Size struct{ Agents, Tasks int }

// ParseSizes reads sizes: AGENTSxTASKS, with commas between.
func ParseSizes(s string) (list []Size, err error) {
	for one := range strings.SplitSeq(s, ",") {
		var size Size
		a, t, ok := strings.Cut(one, "x")
		size.Agents, err = strconv.Atoi(a)
		if err == nil {
			size.Tasks, err = strconv.Atoi(t)
		}
		if !ok || err != nil || size.Agents < 1 || size.Tasks < 1 {
			return nil, fmt.Errorf("%q is no size of a cluster: AGENTSxTASKS, such as 1000x100000", one)
		}
		list = append(list, size)
	}
	return list, nil
}

// Scaled is what skep sim --tasks reports, as far as it is shown.
type Scaled struct {
	Agents  int `json:"agents"`
	Tasks   int `json:"tasks"`
	Connect struct {
		Seconds       float64 `json:"seconds"`
		LeaderSeconds float64 `json:"leader_cpu_s"`
	} `json:"connect"`
	Load struct {
		Seconds      float64      `json:"seconds"`
		PlacedPerS   float64      `json:"placements_per_s"`
		ToRunning    scaledSpread `json:"create_to_running"`
		LeaderMillis float64      `json:"leader_cpu_ms_per_task"`
		OtherMillis  float64      `json:"other_manager_cpu_ms_per_task"`
		LeaderRSS    int64        `json:"leader_rss_bytes"`
		OtherRSS     int64        `json:"other_manager_rss_bytes"`
		LogPerTask   float64      `json:"log_bytes_per_task"`
		NetToAgent   float64      `json:"net_bytes_to_agent"`
		NetFromAgent float64      `json:"net_bytes_from_agent"`
		Others       float64      `json:"cores_of_others"`
	} `json:"load"`
	API    map[string]scaledSpread `json:"api_under_load"`
	Steady *struct {
		LeaderCores float64 `json:"leader_cores"`
		OtherCores  float64 `json:"other_manager_cores"`
		NetPerS     float64 `json:"net_bytes_per_agent_per_s"`
	} `json:"steady"`
	Burst *struct {
		Replicas  int          `json:"replicas"`
		Seconds   float64      `json:"seconds"`
		ToRunning scaledSpread `json:"create_to_running"`
	} `json:"burst"`
	Failover *struct {
		WriteSeconds  float64 `json:"until_a_write_s"`
		AgentsSeconds float64 `json:"until_agents_s"`
	} `json:"failover_found"`
}

type scaledSpread struct {
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
}

// Clusters measures clusters of some sizes, one after the other. A size that does not end in time ends the rest: what was measured
// is returned with the error.
func Clusters(ctx context.Context, cfg ScaleConfig) ([]Scaled, error) {
	dir, err := os.MkdirTemp("", "skep-bench-scale-")
	if err != nil {
		return nil, err
	}
	var list []Scaled
	for _, s := range cfg.Sizes {
		var r Scaled
		if r, err = scaleOnce(ctx, cfg, s, filepath.Join(dir, "report.json")); err != nil {
			err = fmt.Errorf("%d agents, %d tasks: %w", s.Agents, s.Tasks, err)
			break
		}
		list = append(list, r)
	}
	return list, errors.Join(err, os.RemoveAll(dir))
}

func scaleOnce(ctx context.Context, cfg ScaleConfig, s Size, report string) (r Scaled, err error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, cfg.Skep, "sim", "--agents", strconv.Itoa(s.Agents), "--tasks", strconv.Itoa(s.Tasks), "--report", report)
	cmd.Stdout, cmd.Stderr = cfg.Log, cfg.Log
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(os.Interrupt) }, 30*time.Second
	if err := cmd.Run(); err != nil {
		return r, err
	}
	return readScaled(report)
}

func readScaled(report string) (r Scaled, err error) {
	raw, err := os.ReadFile(report)
	if err != nil {
		return r, fmt.Errorf("read what a run found: %w", err)
	}
	return r, json.Unmarshal(raw, &r)
}

// ReadScaled reads what runs have found before.
func ReadScaled(reports []string) (list []Scaled, err error) {
	for _, path := range reports {
		r, err := readScaled(path)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// Sizes is the section of Clusters.
func Sizes() Section { return Section{"scale", "Cost against the cluster's size"} }

// WriteScaled writes the results for machines.
func WriteScaled(path string, list []Scaled) error { return writeJSON(path, list) }

// ScaleTable is the results of Clusters, a column for each size.
func ScaleTable(list []Scaled) string {
	var b strings.Builder
	row := func(what string, value func(Scaled) string) {
		fmt.Fprintf(&b, "| %-58s |", what)
		for _, r := range list {
			fmt.Fprintf(&b, " %13s |", value(r))
		}
		b.WriteByte('\n')
	}
	number := func(format string, v func(Scaled) float64) func(Scaled) string {
		return func(r Scaled) string { return fmt.Sprintf(format, v(r)) }
	}
	row("agents", func(r Scaled) string { return strconv.Itoa(r.Agents) })
	b.WriteString("| ---------------------------------------------------------- |" + strings.Repeat(" ------------: |", len(list)) + "\n")
	row("tasks", func(r Scaled) string { return strconv.Itoa(r.Tasks) })
	row("all agents are connected after, s", number("%.2f", func(r Scaled) float64 { return r.Connect.Seconds }))
	row("all tasks run after, s", number("%.2f", func(r Scaled) float64 { return r.Load.Seconds }))
	row("placements/s", number("%.0f", func(r Scaled) float64 { return r.Load.PlacedPerS }))
	row("create → running, p50, s", number("%.2f", func(r Scaled) float64 { return r.Load.ToRunning.P50.Seconds() }))
	row("create → running, p99, s", number("%.2f", func(r Scaled) float64 { return r.Load.ToRunning.P99.Seconds() }))
	row("leader's processor time a task, ms", number("%.3f", func(r Scaled) float64 { return r.Load.LeaderMillis }))
	row("another manager's, ms", number("%.3f", func(r Scaled) float64 { return r.Load.OtherMillis }))
	row("leader's memory, MB", number("%.0f", func(r Scaled) float64 { return float64(r.Load.LeaderRSS) / 1e6 }))
	row("another manager's, MB", number("%.0f", func(r Scaled) float64 { return float64(r.Load.OtherRSS) / 1e6 }))
	row("raft log a task, bytes", number("%.0f", func(r Scaled) float64 { return r.Load.LogPerTask }))
	row("network an agent, to it, bytes", number("%.0f", func(r Scaled) float64 { return r.Load.NetToAgent }))
	row("network an agent, from it, bytes", number("%.0f", func(r Scaled) float64 { return r.Load.NetFromAgent }))
	for _, what := range []string{"list services", "inspect a service", "create a service"} {
		row(what+" under load, p50 / p99, ms", func(r Scaled) string {
			return fmt.Sprintf("%.0f / %.0f", r.API[what].P50.Seconds()*1000, r.API[what].P99.Seconds()*1000)
		})
	}
	row("nothing asked for: leader, cores", func(r Scaled) string {
		if r.Steady == nil {
			return "–"
		}
		return fmt.Sprintf("%.3f", r.Steady.LeaderCores)
	})
	row("a service with a task for each agent: all run after, s", func(r Scaled) string {
		if r.Burst == nil {
			return "–"
		}
		return fmt.Sprintf("%.2f", r.Burst.Seconds)
	})
	row("leader killed: a write is acknowledged after, s", func(r Scaled) string {
		if r.Failover == nil {
			return "–"
		}
		return fmt.Sprintf("%.2f", r.Failover.WriteSeconds)
	})
	row("leader killed: all agents are connected again after, s", func(r Scaled) string {
		if r.Failover == nil || r.Failover.AgentsSeconds == 0 { // not waited for to the end
			return "–"
		}
		return fmt.Sprintf("%.2f", r.Failover.AgentsSeconds)
	})
	row("cores that others used meanwhile", number("%.2f", func(r Scaled) float64 { return r.Load.Others }))
	return b.String()
}

// ScaleCharts are the results as charts, by the name of their file.
func ScaleCharts(list []Scaled) map[string]Chart {
	line := func(name string, v func(Scaled) float64) Line {
		l := Line{Name: name}
		for _, r := range list {
			l.Values = append(l.Values, v(r))
		}
		return l
	}
	at := line("", func(r Scaled) float64 { return float64(r.Agents) }).Values
	const x = "agents"
	failover := func(v func(Scaled) float64) func(Scaled) float64 {
		return func(r Scaled) float64 {
			if r.Failover == nil {
				return 0
			}
			return v(r)
		}
	}
	return map[string]Chart{
		"scale-cpu.svg": {"Managers' processor time a task, from create to running", x, "ms", at, []Line{
			line("leader", func(r Scaled) float64 { return r.Load.LeaderMillis }),
			line("another manager", func(r Scaled) float64 { return r.Load.OtherMillis }),
		}},
		"scale-memory.svg": {"Managers' memory when all tasks run", x, "MB", at, []Line{
			line("leader", func(r Scaled) float64 { return float64(r.Load.LeaderRSS) / 1e6 }),
			line("another manager", func(r Scaled) float64 { return float64(r.Load.OtherRSS) / 1e6 }),
		}},
		"scale-bytes.svg": {"Bytes a task", x, "bytes", at, []Line{
			line("raft log", func(r Scaled) float64 { return r.Load.LogPerTask }),
			line("network to agents", func(r Scaled) float64 { return r.Load.NetToAgent * float64(r.Agents) / float64(r.Tasks) }),
			line("network from them", func(r Scaled) float64 { return r.Load.NetFromAgent * float64(r.Agents) / float64(r.Tasks) }),
		}},
		"scale-time.svg": {"How long it takes", x, "s", at, []Line{
			line("agents connect", func(r Scaled) float64 { return r.Connect.Seconds }),
			line("create → running", func(r Scaled) float64 { return r.Load.ToRunning.P50.Seconds() }),
			line("leader lost: a write", failover(func(r Scaled) float64 { return r.Failover.WriteSeconds })),
			line("leader lost: agents", failover(func(r Scaled) float64 { return r.Failover.AgentsSeconds })),
		}},
	}
}

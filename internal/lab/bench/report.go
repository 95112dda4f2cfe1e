package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
)

// Result is one work's medians, in seconds.
type Result struct {
	Work  string  `json:"work"`
	Skep  float64 `json:"skep_s,omitzero"`
	Peer  float64 `json:"peer_s"`
	Limit float64 `json:"limit_s,omitzero"`
}

// median of no values is 0.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	m := len(s) / 2
	if len(s)%2 == 0 {
		return (s[m-1] + s[m]) / 2
	}
	return s[m]
}

// Table is the results as a table that reads well on a terminal and is Markdown.
func Table(results []Result) string {
	var b strings.Builder
	b.WriteString("| work                            |  skep s | swarm s | engine alone s | skep/swarm | skep/alone | swarm/alone |\n")
	b.WriteString("| ------------------------------- | ------: | ------: | -------------: | ---------: | ---------: | ----------: |\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %-31s | %s | %s | %s | %s | %s | %s |\n", r.Work, seconds(r.Skep, 7), seconds(r.Peer, 7), seconds(r.Limit, 14),
			ratio(r.Skep, r.Peer, 10), ratio(r.Skep, r.Limit, 10), ratio(r.Peer, r.Limit, 11))
	}
	return b.String()
}

func seconds(s float64, width int) string {
	if s == 0 {
		return fmt.Sprintf("%*s", width, "–")
	}
	return fmt.Sprintf("%*.3f", width, s)
}

func ratio(a, b float64, width int) string {
	if a == 0 || b == 0 {
		return fmt.Sprintf("%*s", width, "–")
	}
	return fmt.Sprintf("%*.2f", width, a/b)
}

// WriteJSON writes the results for machines, rounded to microseconds.
func WriteJSON(path string, results []Result) error {
	rounded := make([]Result, 0, len(results))
	for _, r := range results {
		rounded = append(rounded, r.rounded())
	}
	return writeJSON(path, rounded)
}

func (r Result) rounded() Result {
	round := func(s float64) float64 { return math.Round(s*1e6) / 1e6 }
	return Result{r.Work, round(r.Skep), round(r.Peer), round(r.Limit)}
}

func writeJSON(path string, results any) error {
	data, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}

// Section is a part of a document that a benchmark writes; the rest of the document is kept.
type Section struct{ name, title string }

// OneNode and ManyNodes are the sections of docs/benchmarks.md.
func OneNode() Section { return Section{"one node", "One node, against Docker's swarm mode"} }

// ManyNodes is the section of Failover.
func ManyNodes() Section { return Section{"failover", "Losing hosts, against Docker's swarm mode"} }

// ManyTasks is the section of Spread.
func ManyTasks() Section {
	return Section{"spread", "Tasks on several hosts, against Docker's swarm mode"}
}

// Paths is the section of Networks.
func Paths() Section { return Section{"network", "Ways through the network"} }

// Registry is the section of Registries.
func Registry() Section {
	return Section{"registry", "An image on five hosts, against a plain registry"}
}

// Listings is the section of Lists.
func Listings() Section { return Section{"lists", "Long lists by the docker command"} }

// Stages is the section of the benchmarks that go test runs.
func Stages() Section { return Section{"stages", "Scheduler and store, against swarmkit"} }

// Write puts the table in the section's place in a document, which is begun when it is not there yet.
func (s Section) Write(path, about, table string) error {
	start, end := "<!-- "+s.name+": written by make bench-full -->", "<!-- end of "+s.name+" -->"
	old, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		old, err = []byte("# Benchmarks\n"), nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	before, rest, ok := strings.Cut(string(old), start)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		before, after = strings.TrimRight(string(old), "\n")+"\n\n", "\n"
	}
	text := before + start + "\n## " + s.title + "\n\n" + about + "\n\n" + table + end + after
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing the section of %s: %w", path, err)
	}
	return nil
}

// LossTable is the results of Failover.
func LossTable(results []Result) string {
	var b strings.Builder
	b.WriteString("| what is lost                                        |  skep s | swarm s | skep/swarm |\n")
	b.WriteString("| --------------------------------------------------- | ------: | ------: | ---------: |\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %-51s | %s | %s | %s |\n", r.Work, seconds(r.Skep, 7), seconds(r.Peer, 7), ratio(r.Skep, r.Peer, 10))
	}
	return b.String()
}

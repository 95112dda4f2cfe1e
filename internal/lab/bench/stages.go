package bench

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// GoBenchmark is what `go test -bench` said of one benchmark, medians of its runs.
type GoBenchmark struct {
	Name   string             `json:"name"`
	Runs   int                `json:"runs"`
	Values map[string]float64 `json:"values"` // by unit; times in seconds
}

// swarmkit are the seconds that swarmkit's own benchmark of its scheduler took, by the name of ours of the same shape, on a machine
// of this kind, once; its benchmark is not part of a run. 0: it did not end in 20 minutes.
func swarmkit() map[string]float64 {
	return map[string]float64{
		"Schedule/nodes=1000/tasks=1000":               0.13,
		"Schedule/nodes=1000/tasks=10000":              1.6,
		"Schedule/nodes=1000/tasks=100000":             16,
		"Schedule/nodes=5000/tasks=100000/constraints": 81,
		"Schedule/nodes=100000/tasks=100000":           0,
	}
}

// swarmkitBytes is what a task takes in swarmkit's store, measured in the same way.
const swarmkitBytes = 5854

// ReadGoBenchmarks reads the output of `go test -bench`, in the order it has.
func ReadGoBenchmarks(from io.Reader, name string) ([]GoBenchmark, error) {
	var order []string
	all := map[string]map[string][]float64{}
	r := benchfmt.NewReader(from, name)
	for r.Scan() {
		switch one := r.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, fmt.Errorf("reading benchmarks: %w", one)
		case *benchfmt.Result:
			key := withoutProcessors(one.Name)
			if all[key] == nil {
				order, all[key] = append(order, key), map[string][]float64{}
			}
			for _, v := range one.Values {
				all[key][v.Unit] = append(all[key][v.Unit], v.Value)
			}
		}
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("reading benchmarks: %w", err)
	}
	var out []GoBenchmark
	for _, key := range order {
		b := GoBenchmark{Name: key, Values: map[string]float64{}}
		for unit, values := range all[key] {
			b.Values[unit] = median(values)
			b.Runs = max(b.Runs, len(values))
		}
		out = append(out, b)
	}
	return out, nil
}

// withoutProcessors is a benchmark's name without the number of processors that go test puts behind it.
func withoutProcessors(name benchfmt.Name) string {
	base, parts := name.Parts()
	if n := len(parts); n > 0 && bytes.HasPrefix(parts[n-1], []byte("-")) {
		parts = parts[:n-1]
	}
	return string(slices.Concat(append([][]byte{base}, parts...)...))
}

// StageTable is what the benchmarks of the scheduler's stage and of the store said. Others are left out.
func StageTable(benchmarks []GoBenchmark) string {
	peer := swarmkit()
	var b strings.Builder
	b.WriteString("| scheduler: nodes, tasks                 |  skep s | skep CPU s |     MB | swarmkit s | skep/swarmkit |\n")
	b.WriteString("| --------------------------------------- | ------: | ---------: | -----: | ---------: | ------------: |\n")
	for _, one := range benchmarks {
		shape, ok := strings.CutPrefix(one.Name, "Schedule/")
		if !ok {
			continue
		}
		told, compared := peer[one.Name]
		said := seconds(told, 10)
		if compared && told == 0 {
			said = fmt.Sprintf("%10s", "> 1200")
		}
		fmt.Fprintf(&b, "| %-39s | %s | %s | %6.0f | %s | %s |\n", strings.ReplaceAll(shape, "/", ", "), seconds(one.Values["sec/op"], 7),
			seconds(one.Values["cpu-s/op"], 10), one.Values["B"]/1e6, said, ratio(one.Values["sec/op"], told, 13))
	}
	rows := b.Len()
	b.WriteString("\n| store                                   |    skep | swarmkit |\n")
	b.WriteString("| --------------------------------------- | ------: | -------: |\n")
	head := b.Len()
	for _, one := range benchmarks {
		for _, unit := range storeUnits() {
			if v, ok := one.Values[unit.unit]; ok && strings.HasPrefix(one.Name, "StoreMemory") {
				fmt.Fprintf(&b, "| %-39s | %7s | %8s |\n", unit.says, strconv.FormatFloat(v, 'f', unit.digits, 64), unit.peer)
			}
		}
	}
	if b.Len() == head {
		return b.String()[:rows]
	}
	return b.String()
}

// storeUnit is a figure of BenchmarkStoreMemory.
type storeUnit struct {
	unit, says string
	digits     int
	peer       string
}

func storeUnits() []storeUnit {
	const unknown = "–"
	return []storeUnit{
		{"heapB/task", "bytes of live heap for a running task", 0, strconv.Itoa(swarmkitBytes)},
		{"snapshotB/task", "bytes of a snapshot for a task", 0, unknown},
		{"s/snapshot", "seconds to write a snapshot", 1, unknown},
		{"s/restore", "seconds to restore it", 1, unknown},
		{"ms/write-max", "ms that a write waits beside a snapshot", 1, unknown},
		{"ms/write-max-alone", "ms that a write waits without one", 1, unknown},
	}
}

// WriteGoBenchmarks writes them for machines.
func WriteGoBenchmarks(path string, benchmarks []GoBenchmark) error {
	return writeJSON(path, benchmarks)
}

package bench

import (
	"strings"
	"testing"
)

const goTestOutput = `goos: linux
goarch: amd64
pkg: github.com/skep-org/skep/internal/manager
cpu: AMD EPYC
BenchmarkSchedule/nodes=1000/tasks=100000-2         	       1	 1800000000 ns/op	       420.5 MB	         1.7 cpu-s/op	     55000 tasks/s
BenchmarkSchedule/nodes=1000/tasks=100000-2         	       1	 1600000000 ns/op	       419.5 MB	         1.5 cpu-s/op	     55000 tasks/s
BenchmarkSchedule/nodes=1000/tasks=100000-2         	       1	 1200000000 ns/op	       419.0 MB	         1.4 cpu-s/op	     55000 tasks/s
BenchmarkSchedule/nodes=100000/tasks=100000-2       	       1	 2300000000 ns/op	       900 MB	         2.4 cpu-s/op	     55000 tasks/s
BenchmarkSchedule/nodes=100000/tasks=100000/grouped-2       	       1	 1000000000 ns/op	       900 MB	         1.4 cpu-s/op	     55000 tasks/s
PASS
pkg: github.com/skep-org/skep/internal/store
BenchmarkStoreMemory-2         	       1	 30000000000 ns/op	       577.4 heapB/task	         12.5 ms/write-max	         2.9 s/snapshot	         3.9 s/restore	 100 snapshotB/task
`

// TestStageTable: medians of what go test said, beside what is known of the peer, and nothing where there is nothing to say.
func TestStageTable(t *testing.T) {
	read, err := ReadGoBenchmarks(strings.NewReader(goTestOutput), "test")
	if err != nil {
		t.Fatal(err)
	}
	table := StageTable(read)
	for _, want := range []string{
		"| nodes=1000, tasks=100000                |   1.600 |      1.500 |    420 |     16.000 |          0.10 |\n",
		"| nodes=100000, tasks=100000              |   2.300 |      2.400 |    900 |     > 1200 |             – |\n",
		"| nodes=100000, tasks=100000, grouped     |   1.000 |      1.400 |    900 |          – |             – |\n",
		"| bytes of live heap for a running task   |     577 |     5854 |\n",
		"| ms that a write waits beside a snapshot |    12.5 |        – |\n",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is not in\n%s", want, table)
		}
	}
	if strings.Contains(table, "without one") {
		t.Errorf("a figure that was not measured is in\n%s", table)
	}
	if table := StageTable(read[:1]); strings.Contains(table, "| store") {
		t.Errorf("a table without rows:\n%s", table)
	}
}

func TestBrokenBenchmarksAreRefused(t *testing.T) {
	if _, err := ReadGoBenchmarks(strings.NewReader("BenchmarkSchedule/nodes=1 1 x ns/op\n"), "test"); err == nil {
		t.Error("a figure that is no number was taken")
	}
}

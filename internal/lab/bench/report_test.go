package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.in, got, c.want)
		}
	}
}

func TestSectionIsReplacedAndTheRestKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.md")
	if err := os.WriteFile(path, []byte("# Benchmarks\n\nBy hand.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, s := range []float64{1, 2} {
		if err := OneNode().Write(path, "About.", Table([]Result{{Create, s, 4, 1}})); err != nil {
			t.Fatal(err)
		}
	}
	if err := ManyNodes().Write(path, "Hosts.", LossTable([]Result{{Work: LeaderLoss, Skep: 1, Peer: 8}})); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	if !strings.Contains(page, "By hand.") || strings.Count(page, "create 20") != 1 || !strings.Contains(page, "|       0.12 |\n<!-- end of failover") || !strings.Contains(page, "0.50") {
		t.Errorf("the page became:\n%s", page)
	}
}

func TestPullTable(t *testing.T) {
	table := PullTable(Pulls{Push: 2, PlainPush: 1, Run: 3, PlainRun: 9, Sent: 1.03, Late: 4})
	for _, want := range []string{"|       0.33 |", "|       0.50 |", "sent 1.03 images", "|   4.000 |                – |          – |"} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is not in\n%s", want, table)
		}
	}
}

func TestSpreadTable(t *testing.T) {
	results := spreadResults(map[string]map[string]*took{
		SpreadCreate: {Skep: {[]float64{2, 9, 4}, []float64{3}}, Swarm: {[]float64{8}, []float64{4}}, Alone: {[]float64{2}, []float64{1}}},
		SpreadScale:  {Skep: {}, Swarm: {}, Alone: {}}, SpreadUpdate: {Skep: {}, Swarm: {}, Alone: {}},
		SpreadDrain: {Skep: {}, Swarm: {}, Alone: {}}, SpreadRemove: {Skep: {}, Swarm: {}, Alone: {}},
	})
	waited, spent, ok := strings.Cut(SpreadTable(results), "Processor time")
	if !ok || !strings.Contains(waited, "|   4.000 |   8.000 |          2.000 |       0.50 |       2.00 |") ||
		!strings.Contains(spent, "|   3.000 |   4.000 |          1.000 |       0.75 |       3.00 |") {
		t.Errorf("the tables are:\n%s\nProcessor time%s", waited, spent)
	}
	path := filepath.Join(t.TempDir(), "r.json")
	if err := WriteSpread(path, results); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), `"skep_s": 4`) || !strings.Contains(string(b), `"processor"`) {
		t.Errorf("the file is, with %v:\n%s", err, b)
	}
}

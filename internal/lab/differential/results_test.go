package differential

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// results counts what became of the scenarios.
type results struct {
	mu                       sync.Mutex
	equal, listed, different int
	by                       map[string][]string // the listed differences' scenarios
}

// add notes a scenario: differences are the listed ones that showed.
func (r *results) add(scenario string, failed bool, differences []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(differences)
	differences = slices.Compact(differences)
	switch {
	case failed:
		r.different++
	case len(differences) > 0:
		r.listed++
	default:
		r.equal++
	}
	for _, d := range differences {
		r.by[d] = append(r.by[d], scenario)
	}
}

// line is the last thing that `make differential` prints.
func (r *results) line() string {
	return fmt.Sprintf("scenarios %d, equal %d, listed %d, different %d", r.equal+r.listed+r.different, r.equal, r.listed, r.different)
}

// write puts which listed difference showed where, and the line, at the end of a file.
func (r *results) write(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.by)) {
		slices.Sort(r.by[name])
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(r.by[name], ", "))
	}
	b.WriteString(r.line() + "\n")
	if _, err := f.WriteString(b.String()); err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	return f.Close()
}

func TestResults(t *testing.T) {
	r := &results{by: map[string][]string{}}
	r.add("a", false, nil)
	r.add("b", false, []string{"x", "x"})
	r.add("c", true, []string{"x"})
	if want := "scenarios 3, equal 1, listed 1, different 1"; r.line() != want {
		t.Errorf("%s, want %s", r.line(), want)
	}
	if got := strings.Join(r.by["x"], " "); got != "b c" {
		t.Errorf("x showed in %s", got)
	}
}

package differential

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Difference is one way in which skep is meant to differ from Docker's swarm mode.
type Difference struct {
	Name string
	Text string // what differs, and why
}

// DifferencesFile is where the list is, below this package.
const DifferencesFile = "differences.txt"

// ReadDifferences reads the list: a difference a line, "name: text", and comments.
func ReadDifferences(r io.Reader) ([]Difference, error) {
	var list []Difference
	seen := map[string]bool{}
	in := bufio.NewScanner(r)
	for n := 1; in.Scan(); n++ {
		line := strings.TrimSpace(in.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, text, ok := strings.Cut(line, ": ")
		if !ok || strings.Contains(name, " ") || seen[name] {
			return nil, fmt.Errorf("line %d of the list of differences is not \"name: text\" with a name of its own: %s", n, line)
		}
		seen[name] = true
		list = append(list, Difference{name, text})
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("reading the list of differences: %w", err)
	}
	return list, nil
}

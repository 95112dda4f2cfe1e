package keys

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/skep-org/skep/internal/stack/finding"
)

// Check finds the keys of a model that are noted, warned about or refused whatever their value. The model is what
// compose-go has merged and not yet normalized; written says whether a file has a key, or whether it was filled in.
func Check(model map[string]any, written func(path []string) bool) []finding.Finding {
	c := checker{table: index(), written: written}
	c.walk(model, nil, nil)
	return c.found
}

type checker struct {
	table   map[string]Entry
	written func([]string) bool
	found   []finding.Finding
}

// walk goes through a value at a path; pattern is the path as the table writes it.
func (c *checker) walk(value any, path, pattern []string) {
	switch v := value.(type) {
	case map[string]any:
		for key, below := range v {
			if next, known := c.next(pattern, key); known {
				c.visit(below, append(slices.Clone(path), key), next)
			}
		}
	case []any:
		for i, below := range v {
			c.walk(below, append(slices.Clone(path), strconv.Itoa(i)), append(slices.Clone(pattern), "[]"))
		}
	}
}

// next is the pattern of a key. What the table does not know is an extension: the schema has refused the rest.
func (c *checker) next(pattern []string, key string) ([]string, bool) {
	for _, last := range []string{key, "*"} {
		next := append(slices.Clone(pattern), last)
		if _, known := c.table[strings.Join(next, ".")]; known {
			return next, true
		}
	}
	return nil, false
}

func (c *checker) visit(value any, path, pattern []string) {
	e := c.table[strings.Join(pattern, ".")]
	severity, says := severityOf(e.Verdict)
	switch {
	case !says:
		c.walk(value, path, pattern)
	case asksNothing(value), e.Written && !c.written(path):
	default:
		c.found = append(c.found, finding.Finding{Severity: severity, Path: path, Text: e.Says})
	}
}

func severityOf(v Verdict) (finding.Severity, bool) {
	switch v {
	case Noted:
		return finding.Noted, true
	case Warned:
		return finding.Warned, true
	case Refused:
		return finding.Refused, true
	}
	return 0, false
}

// asksNothing reports whether a key is there and switched off.
func asksNothing(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	text := fmt.Sprint(value)
	return text == "" || text == "0"
}

func index() map[string]Entry {
	all := map[string]Entry{}
	for _, e := range Table() {
		all[e.Path] = e
	}
	return all
}

package finding

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says what becomes of a key.
type Severity uint8

// The severities, the mildest first.
const (
	Noted   Severity = iota // honoured, in another way than it is written
	Warned                  // not honoured; the stack runs without it
	Refused                 // not honoured; without it the stack would be another one, so nothing is deployed
)

func (s Severity) String() string {
	return [...]string{"noted", "warned", "refused"}[s]
}

// Finding is one key and what becomes of it.
type Finding struct {
	Severity Severity
	Path     []string // "services", "web", "ports", "0"
	File     string
	Line     int
	Text     string
}

// String is a line for people: where, how bad, which key, and a sentence.
func (f Finding) String() string {
	var b strings.Builder
	if f.File != "" {
		fmt.Fprintf(&b, "%s:%d: ", f.File, f.Line)
	}
	b.WriteString(f.Severity.String())
	b.WriteString(": ")
	if len(f.Path) > 0 {
		b.WriteString(strings.Join(f.Path, "."))
		b.WriteString(": ")
	}
	b.WriteString(f.Text)
	return b.String()
}

// Sort puts findings in the order of the files' lines, the same ones once.
func Sort(all []Finding) []Finding {
	slices.SortFunc(all, compare)
	return slices.CompactFunc(all, func(a, b Finding) bool { return compare(a, b) == 0 })
}

func compare(a, b Finding) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), slices.Compare(a.Path, b.Path),
		cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Text, b.Text))
}

// Count is how many findings have a severity.
func Count(all []Finding, s Severity) int {
	n := 0
	for _, f := range all {
		if f.Severity == s {
			n++
		}
	}
	return n
}

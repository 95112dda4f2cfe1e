package differential

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
)

// known is a difference that is wanted, and why.
type known struct {
	line   *regexp.Regexp
	reason string
	used   bool
}

// parseKnown reads a known step: regexps, one a line, then "because: reason".
func parseKnown(s step) ([]*known, error) {
	lines := strings.Split(strings.TrimSpace(s.input), "\n")
	reason, ok := strings.CutPrefix(lines[len(lines)-1], "because: ")
	if !ok || len(lines) < 2 {
		return nil, fmt.Errorf("%s: known needs regexps and a last line \"because: …\"", s.pos)
	}
	var list []*known
	for _, l := range lines[:len(lines)-1] {
		re, err := regexp.Compile(l)
		if err != nil {
			return nil, fmt.Errorf("%s: known: %w", s.pos, err)
		}
		list = append(list, &known{line: re, reason: reason})
	}
	return list, nil
}

// compare returns a unified diff of one step's outputs, "" when they agree but
// for the known differences.
func compare(docker, skep string, list []*known) (string, error) {
	if docker == skep {
		return "", nil
	}
	a, b := strip(docker, list), strip(skep, list)
	if a == b {
		// Only now did the known differences matter.
		for _, k := range list {
			if anyLine(k.line, docker) || anyLine(k.line, skep) {
				k.used = true
			}
		}
		return "", nil
	}
	return difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(a), B: difflib.SplitLines(b),
		FromFile: "docker swarm", ToFile: "skep", Context: 4,
	})
}

func strip(text string, list []*known) string {
	var b strings.Builder
next:
	for line := range strings.Lines(text) {
		for _, k := range list {
			if k.line.MatchString(strings.TrimRight(line, "\n")) {
				continue next
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

func anyLine(re *regexp.Regexp, text string) bool {
	for line := range strings.Lines(text) {
		if re.MatchString(strings.TrimRight(line, "\n")) {
			return true
		}
	}
	return false
}

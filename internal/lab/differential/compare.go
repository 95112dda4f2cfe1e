package differential

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
)

// known is a difference that is wanted, and why.
type known struct {
	line      *regexp.Regexp
	name      string // in the list of differences
	sometimes bool   // not with every CLI
	used      bool
}

// parseKnown reads a known step: the name of a line in the list of differences, and regexps, one a line.
func parseKnown(s step) ([]*known, error) {
	_, sometimes := s.args["sometimes"]
	names := slices.DeleteFunc(slices.Clone(s.order), func(name string) bool { return name == "sometimes" })
	if len(names) != 1 || strings.TrimSpace(s.input) == "" {
		return nil, fmt.Errorf("%s: known needs a name out of %s and regexps of lines that differ", s.pos, DifferencesFile)
	}
	var list []*known
	for l := range strings.SplitSeq(strings.TrimSpace(s.input), "\n") {
		re, err := regexp.Compile(l)
		if err != nil {
			return nil, fmt.Errorf("%s: known: %w", s.pos, err)
		}
		list = append(list, &known{line: re, name: names[0], sometimes: sometimes})
	}
	return list, nil
}

// grpcPrefix stands before every message that comes from swarmkit. It is the
// trace of a call inside of Docker's daemon; skep has no such call, and people
// are better off without it.
//
// It is in the list of differences as grpcName.
var grpcPrefix = regexp.MustCompile(`rpc error: code = \w+ desc = `)

// comparison holds what two sides said against each other, step by step.
type comparison struct {
	known []*known
	// Which id of skep's output is which of Docker's. The numbers alone would
	// shift with every id that only one side shows.
	docker map[string]string
	skep   map[string]string
	prefix bool // grpcPrefix was taken out somewhere
}

const grpcName = "grpc-prefix"

func newComparison(list []*known) *comparison {
	return &comparison{known: list, docker: map[string]string{}, skep: map[string]string{}}
}

var numbered = regexp.MustCompile(`<id\d+>`)

// step returns a unified diff of one step's outputs, "" when they agree but for
// the known differences.
func (c *comparison) step(docker, skep string) (string, error) {
	c.prefix = c.prefix || grpcPrefix.MatchString(docker) && !grpcPrefix.MatchString(skep)
	docker = grpcPrefix.ReplaceAllString(docker, "")
	a, b := strip(docker, c.known), strip(skep, c.known)
	// "<id>" stays in the id's place: an id that one side does not show at all is a difference.
	if numbered.ReplaceAllString(a, "<id>") == numbered.ReplaceAllString(b, "<id>") && c.pair(numbered.FindAllString(a, -1), numbered.FindAllString(b, -1)) {
		c.note(docker, skep, a, b)
		return "", nil
	}
	b = numbered.ReplaceAllStringFunc(b, func(id string) string {
		if same, ok := c.docker[id]; ok {
			return same
		}
		return id
	})
	return difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(a), B: difflib.SplitLines(b),
		FromFile: "docker swarm", ToFile: "skep", Context: 4,
	})
}

// pair takes the ids at the same places for the same objects; false when that
// contradicts what an earlier place said.
func (c *comparison) pair(docker, skep []string) bool {
	for i := range docker {
		d, s := docker[i], skep[i]
		if c.docker[s] == "" && c.skep[d] == "" {
			c.docker[s], c.skep[d] = d, s
		}
		if c.docker[s] != d || c.skep[d] != s {
			return false
		}
	}
	return true
}

// note marks the known differences without which the step would not agree.
func (c *comparison) note(docker, skep, a, b string) {
	if docker == a && skep == b {
		return
	}
	for _, k := range c.known {
		if k.counts(docker) != k.counts(skep) {
			k.used = true
		}
	}
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

// counts tells which lines of a text a known difference takes out.
func (k *known) counts(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if k.line.MatchString(strings.TrimRight(line, "\n")) {
			b.WriteString(numbered.ReplaceAllString(line, "<id>"))
		}
	}
	return b.String()
}

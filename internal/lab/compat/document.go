package compat

import (
	"fmt"
	"strings"

	"github.com/skep-org/skep/internal/lab/differential"
)

// Seen collects outcomes by command and flag; several checks of one flag count
// as one, the worst of them.
type Seen map[string]map[string]Outcome

// rank orders states from good to bad.
func rank(s State) int {
	switch s {
	case Works:
		return 0
	case Differs:
		return 1
	case Refused:
		return 2
	}
	return 3
}

// Add notes an outcome.
func (s Seen) Add(c Check, o Outcome) {
	if s[c.Command] == nil {
		s[c.Command] = map[string]Outcome{}
	}
	old, tried := s[c.Command][c.Flag]
	if !tried || rank(o.State) > rank(old.State) {
		s[c.Command][c.Flag] = o
	}
}

const head = `# Compatibility with the docker CLI

What becomes of each swarm-related command and flag of docker CLI %s when it
talks to skep. This file is written by a test that runs them (` + "`make test`" + ` fails when
it is out of date; ` + "`go test ./internal/lab/compat -rewrite`" + ` writes it anew). Every check
looks at the effect, and every check also holds on Docker's own swarm mode.

- **works**: the effect is the one it has on Docker's swarm mode.
- **501**: refused, with the sentence that is shown.
- **differs**: something else happened.
- **untested**: there is no check yet.

| | works | 501 | differs | untested |
| --- | ---: | ---: | ---: | ---: |
%s
`

// differencesHead starts the part about what differs on purpose.
const differencesHead = `## What differs on purpose

` + "`make differential`" + ` runs scripts of the CLI and raw API calls on Docker's own swarm mode and on skep and
compares what they show. They differ in nothing but this:

`

func differencesPart(list []differential.Difference) string {
	var b strings.Builder
	b.WriteString(differencesHead)
	for _, d := range list {
		fmt.Fprintf(&b, "- **%s**: %s\n", d.Name, d.Text)
	}
	return b.String()
}

// Document writes the page for the commands of a CLI version, with the differences that are meant.
func Document(version string, commands []Command, seen Seen, list []differential.Difference) string {
	var body, summary strings.Builder
	group, counts := "", map[State]int{}
	endGroup := func() {
		if group != "" {
			fmt.Fprintf(&summary, "| docker %s | %d | %d | %d | %d |\n", group,
				counts[Works], counts[Refused], counts[Differs], counts[Untested])
		}
		counts = map[State]int{}
	}
	for _, c := range commands {
		if g, _, _ := strings.Cut(c.Name, " "); g != group {
			endGroup()
			group = g
			fmt.Fprintf(&body, "## docker %s\n\n", g)
		}
		fmt.Fprintf(&body, "### docker %s\n\n| flag | | |\n| --- | --- | --- |\n", c.Name)
		for _, flag := range append([]string{""}, c.Flags...) {
			o, tried := seen[c.Name][flag]
			if !tried {
				o.State = Untested
			}
			counts[o.State]++
			shown := "(without flags)"
			if flag != "" {
				shown = "`" + flag + "`"
			}
			fmt.Fprintf(&body, "| %s | %s | %s |\n", shown, o.State, escape(o.Note))
		}
		body.WriteString("\n")
	}
	endGroup()
	return fmt.Sprintf(head, version, strings.TrimRight(summary.String(), "\n")) + "\n" + differencesPart(list) + "\n" + strings.TrimRight(body.String(), "\n") + "\n"
}

// escape keeps a note inside of its table cell.
func escape(note string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(note)
}

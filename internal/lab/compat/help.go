package compat

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/skep-org/skep/internal/lab/differential/side"
)

// Command is a CLI command and its flags, as its help lists them.
type Command struct {
	Name  string // "service create"
	Flags []string
}

// groups are the commands that concern a swarm.
var groups = [...]string{"swarm", "node", "service", "stack", "config", "secret", "network"}

var (
	helpCommand = regexp.MustCompile(`^  ([a-z-]+)\s`)
	helpFlag    = regexp.MustCompile(`^\s+(?:-\w, )?--([a-z0-9-]+)`)
)

// Commands asks the CLI what there is.
func Commands(ctx context.Context, s *side.Side) ([]Command, error) {
	var all []Command
	for _, group := range groups {
		help, err := s.Shell(ctx, "docker "+group+" --help", nil)
		if err != nil {
			return nil, err
		}
		for _, name := range subcommands(help.Stdout) {
			c := Command{Name: group + " " + name}
			help, err := s.Shell(ctx, "docker "+c.Name+" --help", nil)
			if err != nil {
				return nil, err
			}
			if help.Exit != 0 {
				return nil, fmt.Errorf("docker %s --help failed: %s", c.Name, help.Stderr)
			}
			c.Flags = flags(help.Stdout)
			all = append(all, c)
		}
	}
	return all, nil
}

// subcommands reads the names below "Commands:".
func subcommands(help string) []string {
	var names []string
	inside := false
	for line := range strings.Lines(help) {
		switch m := helpCommand.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "Commands:"):
			inside = true
		case strings.TrimSpace(line) == "":
			inside = false
		case inside && m != nil:
			names = append(names, m[1])
		}
	}
	return names
}

// flags reads the names below "Options:".
func flags(help string) []string {
	var names []string
	_, options, _ := strings.Cut(help, "\nOptions:")
	for line := range strings.Lines(options) {
		if m := helpFlag.FindStringSubmatch(line); m != nil && m[1] != "help" {
			names = append(names, "--"+m[1])
		}
	}
	slices.Sort(names)
	return names
}

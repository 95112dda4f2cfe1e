package compat

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Check tries one flag (or, with none, the bare command).
type Check struct {
	Command string // "service create"
	Flag    string // "--env" or ""
	NoSwarm bool   // starts and ends outside of a swarm
	Second  bool   // a second host is there, to join; its docker command is called second
	Setup   string // shell lines
	Verify  string // the line whose output counts
	Want    string // what it has to print; a regexp after "~ "
	pos     string
}

// ParseCreate reads checks of `service create`, one a line:
//
//	FLAGS => spec PATH => WANT       what is stored
//	FLAGS => container PATH => WANT  what the container got
func ParseCreate(name string, r io.Reader) ([]Check, error) {
	var checks []Check
	err := eachLine(name, r, 3, func(pos string, f []string) error {
		where, path, _ := strings.Cut(f[1], " ")
		c := Check{Command: "service create", Flag: firstFlag(f[0]), Want: f[2], pos: pos}
		switch where {
		case "spec":
			c.Setup = "docker service create -d -q --no-resolve-image --replicas 0 --name $NAME " + f[0] + " skep/test:1"
			c.Verify = "docker service inspect $NAME --format '{{json " + path + "}}'"
		case "container":
			c.Setup = "docker service create -d -q --no-resolve-image --name $NAME " + f[0] + " skep/test:1\nC=$(container $NAME)"
			c.Verify = "docker inspect $C --format '{{json " + path + "}}'"
		default:
			return fmt.Errorf("the second column starts with spec or container, not %q", where)
		}
		checks = append(checks, c)
		return nil
	})
	return checks, err
}

// ParseUpdate reads checks of `service update`, one a line:
//
//	FLAGS OF CREATE => FLAGS OF UPDATE => PATH => WANT
func ParseUpdate(name string, r io.Reader) ([]Check, error) {
	var checks []Check
	err := eachLine(name, r, 4, func(pos string, f []string) error {
		checks = append(checks, Check{
			Command: "service update", Flag: firstFlag(f[1]), Want: f[3], pos: pos,
			Setup: "docker service create -d -q --no-resolve-image --replicas 0 --name $NAME " + f[0] + " skep/test:1\n" +
				"docker service update -d -q --no-resolve-image " + f[1] + " $NAME",
			Verify: "docker service inspect $NAME --format '{{json " + f[2] + "}}'",
		})
		return nil
	})
	return checks, err
}

// ParseScripts reads blocks, divided by empty lines:
//
//	# COMMAND [--flag]
//	@ no swarm          (where the check starts outside of one)
//	@ second            (where it needs a host that joins; its docker is second)
//	a shell line …
//	= the line that shows the effect
//	what it has to print, or ~ a regexp
func ParseScripts(name string, r io.Reader) ([]Check, error) {
	var checks []Check
	var c *Check
	n := 0
	for in := bufio.NewScanner(r); in.Scan(); {
		n++
		line := in.Text()
		switch {
		case strings.HasPrefix(line, "##"):
		case strings.HasPrefix(line, "# "):
			command, flag, _ := strings.Cut(strings.TrimSpace(line[2:]), " --")
			if flag != "" {
				flag = "--" + flag
			}
			checks = append(checks, Check{Command: command, Flag: flag, pos: fmt.Sprintf("%s:%d", name, n)})
			c = &checks[len(checks)-1]
		case line == "":
			c = nil
		case c == nil:
			return nil, fmt.Errorf("%s:%d: a block starts with \"# COMMAND\"", name, n)
		case line == "@ no swarm":
			c.NoSwarm = true
		case line == "@ second":
			c.Second = true
		case c.Verify == "" && strings.HasPrefix(line, "= "):
			c.Verify = line[2:]
		case c.Verify == "":
			c.Setup += line + "\n"
		default:
			c.Want += line + "\n"
		}
	}
	for i := range checks {
		checks[i].Want = strings.TrimSpace(checks[i].Want)
		if checks[i].Verify == "" {
			return nil, fmt.Errorf("%s: the check of %s %s shows no effect", checks[i].pos, checks[i].Command, checks[i].Flag)
		}
	}
	return checks, nil
}

// Holds tells whether the output is what the check wants.
func (c Check) Holds(output string) (bool, error) {
	output = strings.TrimSpace(output)
	if pattern, ok := strings.CutPrefix(c.Want, "~ "); ok {
		re, err := regexp.Compile(`^(?:` + pattern + `)$`)
		if err != nil {
			return false, fmt.Errorf("%s: %w", c.pos, err)
		}
		return re.MatchString(output), nil
	}
	return output == c.Want, nil
}

func eachLine(name string, r io.Reader, columns int, do func(pos string, fields []string) error) error {
	n := 0
	for in := bufio.NewScanner(r); in.Scan(); {
		n++
		line := strings.TrimRight(in.Text(), " ")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, " => ")
		if len(f) != columns {
			return fmt.Errorf("%s:%d: %d columns divided by \" => \" are needed, found %d", name, n, columns, len(f))
		}
		if err := do(fmt.Sprintf("%s:%d", name, n), f); err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	return nil
}

// firstFlag is what a line is about: "--env A=1 --name x" is about --env.
func firstFlag(words string) string {
	for w := range strings.FieldsSeq(words) {
		if strings.HasPrefix(w, "--") {
			flag, _, _ := strings.Cut(w, "=")
			return flag
		}
	}
	return ""
}

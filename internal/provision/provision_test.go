package provision

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScripts: what was found in, what is to be done out.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "inventory":
				return inventory(d.Input)
			case "prepare", "restart", "remove":
				return steps(d)
			case "joins":
				return joins(t, d)
			case "order":
				nodes := nodesIn(t, d.Input)
				return fmt.Sprintf("%v\nhindered: %s\n", Order(nodes, func(n Node) bool { return n.Machine.Name != "new" }), Hinders(nodes, ""))
			case "engine":
				return engines(d.Input)
			case "spare":
				if err := Spare(nodesIn(t, d.Input), d.CmdArgs[0].Key); err != nil {
					return "error: " + err.Error() + "\n"
				}
				return "it can be spared\n"
			}
			d.Fatalf(t, "no command %s", d.Cmd)
			return ""
		})
	})
}

func inventory(text string) string {
	all, err := ParseInventory([]byte(text), "/home/me/cluster", "/home/me")
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var out strings.Builder
	for _, m := range all {
		fmt.Fprintf(&out, "%+v\n", m)
	}
	return out.String()
}

// engines reads hosts, a line each: OS [like WORD...] has MANAGER..., where - is one that says nothing of itself, and says how each gets an engine.
func engines(input string) string {
	var out strings.Builder
	for line := range strings.Lines(input) {
		is, has, _ := strings.Cut(strings.TrimSpace(line), " has")
		os, like, _ := strings.Cut(is, " like ")
		script, err := InstallEngine(Found{OS: strings.Trim(os, "-"), Like: like, Packages: strings.TrimSpace(has)})
		if err != nil {
			script = "error: " + err.Error()
		}
		lines := strings.Split(strings.TrimSpace(script), "\n")
		fmt.Fprintf(&out, "%s: %s\n", os, lines[len(lines)-1])
	}
	return out.String()
}

// steps has a host's survey as its input. The program that is wanted has the sum "new", the units have "unit".
func steps(d *datadriven.TestData) string {
	f := ParseFound(d.Input)
	unit := Text{Content: "the unit", Sum: "unit"}
	w := Want{Sum: "new", Machine: "x86_64", Unit: map[Init]Text{Systemd: unit, Plain: unit}}
	var out strings.Builder
	if err := Refuse(f, w); err != nil {
		return "refused: " + err.Error() + "\n"
	}
	if NeedsCopy(f, w) {
		out.WriteString("copy the program\n")
	}
	var all []Step
	var err error
	switch d.Cmd {
	case "prepare":
		all, err = Prepare(f, d.HasArg("answers"), w)
	case "restart":
		all = Restart(f, w)
	case "remove":
		all = Remove(f)
	}
	if err != nil {
		return out.String() + "error: " + err.Error() + "\n"
	}
	for _, s := range all {
		fmt.Fprintf(&out, "%s\n", s.Name)
		if d.HasArg("scripts") {
			fmt.Fprintf(&out, "  | %s\n", strings.ReplaceAll(strings.TrimSpace(s.Script), "\n", "\n  | "))
		}
	}
	return out.String()
}

// nodesIn reads nodes, a line each: NAME ROLE WORD..., where words are states and what a manager says.
func nodesIn(t *testing.T, input string) []Node {
	var all []Node
	for line := range strings.Lines(input) {
		words := strings.Fields(line)
		n := Node{Machine: Machine{Name: words[0], Role: Role(words[1])}}
		for _, w := range words[2:] {
			switch key, value, _ := strings.Cut(w, "="); key {
			case "lost":
				n.Err = errors.New("no route to host")
			case "inactive", "active", "locked", "error", "pending", Absent:
				n.State = w
			case "cluster":
				n.Control, n.Cluster, n.State = true, value, "active"
			case "ready":
				n.Ready, n.State = true, "active"
			case "manager":
				n.Manager = true
			case "reachable":
				n.Manager, n.Reachable = true, true
			case "leader":
				n.Manager, n.Reachable, n.Leader = true, true, true
			default:
				t.Fatalf("no word %q", w)
			}
		}
		all = append(all, n)
	}
	return all
}

func joins(t *testing.T, d *datadriven.TestData) string {
	nodes := nodesIn(t, d.Input)
	var wanted []string
	for _, n := range nodes {
		if len(d.CmdArgs) == 0 || d.HasArg(n.Machine.Name) {
			wanted = append(wanted, n.Machine.Name)
		}
	}
	j, err := Joins(nodes, wanted)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	return fmt.Sprintf("found: %s, via: %s, managers: %v, workers: %v\n", j.Found, j.Via, j.Managers, j.Workers)
}

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]Address{
		"192.0.2.1": {"", "192.0.2.1", 0}, "root@m1": {"root", "m1", 0}, "a@m1:2222": {"a", "m1", 2222},
		"2001:db8::1": {"", "2001:db8::1", 0}, "a@[2001:db8::1]:2222": {"a", "2001:db8::1", 2222},
	} {
		if got, err := ParseAddress(in); err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "@m1", "a@", "m1:0", "m1:99999", "-oProxyCommand=x", "a b"} {
		if got, err := ParseAddress(in); err == nil {
			t.Errorf("%s is %+v", in, got)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"": "''", "a-b/c.d": "a-b/c.d", "it's $x": `'it'\''s $x'`} {
		if got := Quote(in); got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
}

package stacks

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// step is one line of a trial.
type step struct {
	line  int
	verb  string
	where string // of see and fails
	text  string
	want  *regexp.Regexp
}

func (s step) String() string {
	return fmt.Sprintf("line %d: %s %s %s", s.line, s.verb, s.where, s.text)
}

var verbs = []string{"run", "undo", "deploy", "settled", "see", "fails", "replaced", "added", "same", "refused"}

// parse reads a trial.
func parse(text string) ([]step, error) {
	var all []step
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s := step{line: i + 1}
		s.verb, s.text, _ = strings.Cut(line, " ")
		if !slices.Contains(verbs, s.verb) {
			return nil, fmt.Errorf("line %d: %q is none of %v", s.line, s.verb, verbs)
		}
		if s.verb == "see" || s.verb == "fails" {
			var want string
			var ok bool
			if s.where, s.text, ok = strings.Cut(s.text, ": "); !ok {
				return nil, fmt.Errorf("line %d does not say where: %q", s.line, line)
			}
			at := strings.LastIndex(s.text+" ", " => ") // what is wanted may be nothing
			if at < 0 {
				return nil, fmt.Errorf("line %d does not say what is wanted: %q", s.line, line)
			}
			s.text, want = s.text[:at], strings.TrimPrefix((s.text + " ")[at:], " => ")
			var err error
			// The space that ends a line was only needed to find the arrow.
			if s.want, err = regexp.Compile(strings.TrimSuffix(want, " ")); err != nil {
				return nil, fmt.Errorf("line %d: %w", s.line, err)
			}
		}
		if s.verb == "refused" {
			var err error
			if s.want, err = regexp.Compile(s.text); err != nil {
				return nil, fmt.Errorf("line %d: %w", s.line, err)
			}
		}
		all = append(all, s)
	}
	return all, nil
}

// root is the directory of the stacks.
const root = "../../../testdata/stacks"

// names are the stacks there are.
func names(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, "*", "stack.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range found {
		all = append(all, filepath.Base(filepath.Dir(f)))
	}
	return all
}

// TestTrials reads every trial: each deploys, looks, and changes something.
func TestTrials(t *testing.T) {
	all := names(t)
	if len(all) < 15 {
		t.Errorf("there are %d stacks, fifteen were promised", len(all))
	}
	for _, name := range all {
		steps := trialOf(t, filepath.Join(root, name))
		count := map[string]int{}
		for _, s := range steps {
			count[s.verb]++
			if strings.HasPrefix(s.text, "docker stack deploy") || strings.Contains(s.text, " docker stack deploy") {
				count["deploy"]++
			}
		}
		if count["deploy"] == 0 || count["see"] == 0 {
			t.Errorf("the trial of %s has these steps only: %v", name, count)
		}
	}
	for _, name := range projectNames(t) {
		if steps := trialOf(t, filepath.Join(projects, name)); !slices.ContainsFunc(steps, func(s step) bool { return s.verb == "deploy" }) {
			t.Errorf("the trial of %s deploys nothing", name)
		}
	}
	for _, bad := range []string{"jump", "see web get", "see web: get", "see web: get => (", "refused ("} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q is taken for a step", bad)
		}
	}
}

func trialOf(t *testing.T, dir string) []step {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "trial.txt"))
	if err != nil {
		t.Fatal(err)
	}
	steps, err := parse(string(text))
	if err != nil {
		t.Fatalf("the trial of %s: %v", dir, err)
	}
	return steps
}

var imageNames = regexp.MustCompile(`(?m)^\s*image:\s*(standin/[a-z0-9-]+):(.*)$`)

// images are the names with tags of all images that some stacks use: those whose tag is to be chosen have three.
func images(stacks []string) ([]string, error) {
	var all []string
	for _, name := range stacks {
		text, err := os.ReadFile(filepath.Join(root, name, "stack.yml"))
		if err != nil {
			return nil, err
		}
		for _, m := range imageNames.FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(m[2], "$") {
				all = append(all, m[1]+":"+m[2])
				continue
			}
			for _, tag := range []string{"1", "2", "broken"} {
				all = append(all, m[1]+":"+tag)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

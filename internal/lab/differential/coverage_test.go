package differential

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/api/swagger"
)

// recordedVersion is the API version of the engine recorded with.
const recordedVersion = "1.41"

// TestCoverage holds what the scenarios send and get against the descriptions of the swarm routes: each parameter,
// filter, member of a body or an answer and status is in some scenario's recorded api step, or in uncovered.txt with
// the reason. Elements newer than the engine recorded with count as those of the newest description.
func TestCoverage(t *testing.T) {
	listed := readUncovered(t)
	touched := touchedElements(t)
	for _, e := range elements(t) {
		reason, ok := listed[e]
		delete(listed, e)
		switch {
		case !touched[e] && !ok:
			t.Errorf("no scenario covers %s: write one, or put it into uncovered.txt with the reason", e)
		case touched[e] && ok:
			t.Errorf("%s is covered now: take it out of uncovered.txt (%s)", e, reason)
		}
	}
	for e := range listed {
		t.Errorf("uncovered.txt names %s, which no description has", e)
	}
}

// words are the first segments of the swarm routes.
func words() []string {
	return []string{"swarm", "nodes", "services", "tasks", "secrets", "configs", "networks", "events", "info", "version"}
}

// elements are those of the descriptions of two versions, of /info the swarm's part alone.
func elements(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, version := range []string{recordedVersion, newestVersion} {
		doc, err := swagger.Load(t.Context(), version)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range doc.Operations(words()...) {
			for _, e := range o.Elements() {
				if answer, ok := strings.CutPrefix(e, "GET /info answer "); !ok || strings.HasPrefix(answer, "Swarm") {
					all = append(all, e)
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// touchedElements reads the recorded api steps.
func touchedElements(t *testing.T) map[string]bool {
	t.Helper()
	docs := map[bool]*swagger.Document{}
	for newer, version := range map[bool]string{false: recordedVersion, true: newestVersion} {
		doc, err := swagger.Load(t.Context(), version)
		if err != nil {
			t.Fatal(err)
		}
		docs[newer] = doc
	}
	touched := map[string]bool{}
	for _, file := range scenarioFiles(t) {
		sc := readScenario(t, file)
		for i, s := range sc.steps {
			if s.cmd != "api" {
				continue
			}
			r := parseRequest(s.input)
			path, _, _ := strings.Cut(r.path, "?")
			version := recordedVersion
			if m := versionPrefix.FindStringSubmatch(path); m != nil {
				version, path = m[1], m[2]
			}
			o, ok := docs[version > recordedVersion].Operation(r.method, path)
			if !ok {
				continue
			}
			var status int
			first, answer, _ := strings.Cut(sc.recorded[i], "\n")
			if _, err := fmt.Sscan(first, &status); err != nil {
				t.Fatalf("%s: the recorded answer starts with %q, not with a status", s.pos, first)
			}
			var header []string
			for name := range r.header {
				header = append(header, name)
			}
			for _, e := range o.Touched(r.query(), header, r.body, status, answer) {
				touched[e] = true
			}
		}
	}
	return touched
}

func scenarioFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios found: %v", err)
	}
	return files
}

// readUncovered reads uncovered.txt: a line "because …:", then the elements it is the reason of, indented.
func readUncovered(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile("uncovered.txt")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	var reason string
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\n")
		element, indented := strings.CutPrefix(line, "  ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "because "):
			reason = line
		case !indented || reason == "" || listed[element] != "":
			t.Errorf("uncovered.txt: %q is no element with a reason above it, or is there twice", line)
		default:
			listed[element] = reason
		}
	}
	return listed
}

// TestDifferences holds the list of differences against the scenarios that refer to it.
func TestDifferences(t *testing.T) {
	f, err := os.Open(DifferencesFile)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	list, err := ReadDifferences(f)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) > 15 {
		t.Errorf("%d differences are listed: 15 are the most that may be", len(list))
	}
	used := map[string]bool{grpcName: true}
	for _, file := range scenarioFiles(t) {
		for _, s := range readScenario(t, file).steps {
			for _, name := range append(s.args["differs"], s.order...) {
				if s.cmd == "known" && name != "sometimes" || slices.Contains(s.args["differs"], name) {
					used[name] = true
				}
			}
		}
	}
	for _, d := range list {
		if !used[d.Name] {
			t.Errorf("no scenario shows the difference %s", d.Name)
		}
		delete(used, d.Name)
	}
	for name := range used {
		t.Errorf("%s is not in %s", name, DifferencesFile)
	}
}

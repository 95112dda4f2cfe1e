package keys

import (
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/schema"
)

// Document is the table for people: a part for each section of a file, a row for each key.
func Document() string {
	var b strings.Builder
	b.WriteString(head)
	b.WriteString(totals())
	for _, s := range sections() {
		fmt.Fprintf(&b, "\n## %s\n\n| key | | |\n| --- | --- | --- |\n", s.title)
		var rows []string
		for _, e := range Table() {
			if section(e.Path) == s.prefix {
				rows = append(rows, row(e, s.prefix))
			}
		}
		slices.Sort(rows)
		b.WriteString(strings.Join(rows, ""))
	}
	return b.String()
}

// part is a part of the document: the keys that begin with a prefix.
type part struct{ title, prefix string }

func sections() []part {
	return []part{
		{"The file", ""}, {"Services", "services.*."}, {"Services: build", "services.*.build."},
		{"Services: deploy", "services.*.deploy."}, {"Networks", "networks.*."},
		{"Volumes", "volumes.*."}, {"Secrets", "secrets.*."}, {"Configs", "configs.*."},
	}
}

const head = `# Keys of the Compose Specification, and what a cluster makes of them

Written from the table in internal/stack/keys by ` + "`go test ./internal/stack/keys -rewrite`" + `; a test fails when the specification's schema
has a key that is not here. [stacks.md](stacks.md) is the guide.

- **honoured**: as the specification says.
- **honoured, with a note**: honoured, in another way than it is written; ` + "`skep stack`" + ` says so as ` + "`noted`" + `.
- **by value**: it depends on the value, as the text says.
- **warned**: left out, and ` + "`skep stack`" + ` says so with file and line; the stack is deployed.
- **refused**: ` + "`skep stack`" + ` says so with file and line, and deploys nothing, as the stack would be another one without it.

What is below a key that is warned about or refused is not listed. Keys that begin with x- are extensions, and are left alone.
`

// totals counts the specification's keys by what becomes of them; what the table does not list is as the key above it.
func totals() string {
	table := index()
	rows := slices.Concat(sections(), []part{{"Jobs", "jobs."}, {"Models", "models."}})
	counts := make([][Refused + 1]int, len(rows))
	all := 0
	for _, p := range schema.AttributePaths() {
		row := 0
		for i, s := range rows { // the longest prefix is last among those that fit
			if strings.HasPrefix(string(p), s.prefix) {
				row = i
			}
		}
		counts[row][verdict(table, string(p))]++
		all++
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nThe specification has %d keys, each below one that is warned about or refused counted as that:\n\n| | honoured | honoured, with a note | by value | warned | refused |\n| --- | --- | --- | --- | --- | --- |\n", all)
	for i, row := range rows {
		c := counts[i]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d |\n", row.title, c[Honoured], c[Noted], c[ByValue], c[Warned], c[Refused])
	}
	return b.String()
}

// verdict is the table's of a key, or of the key above it that speaks for it.
func verdict(table map[string]Entry, path string) Verdict {
	for path != "" {
		if e, listed := table[path]; listed {
			return e.Verdict
		}
		path = path[:max(0, strings.LastIndex(path, "."))]
	}
	return Refused
}

// section is the part of the document a key is in.
func section(path string) string {
	for _, own := range []string{"services.*.build.", "services.*.deploy."} {
		if strings.HasPrefix(path, own) {
			return own
		}
	}
	parts := strings.SplitN(path, ".", 3)
	if len(parts) < 3 || parts[1] != "*" {
		return ""
	}
	return parts[0] + ".*."
}

func row(e Entry, prefix string) string {
	name := strings.ReplaceAll(strings.TrimPrefix(e.Path, prefix), ".[]", "[]")
	if e.Below && e.Verdict == Honoured {
		name += ".*"
	}
	return fmt.Sprintf("| `%s` | %s | %s |\n", name, e.Verdict, e.Says)
}

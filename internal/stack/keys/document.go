package keys

import (
	"fmt"
	"slices"
	"strings"
)

// Document is the table for people: a part for each section of a file, a row for each key.
func Document() string {
	var b strings.Builder
	b.WriteString(head)
	sections := []struct{ title, prefix string }{
		{"The file", ""}, {"Services", "services.*."}, {"Services: deploy", "services.*.deploy."}, {"Networks", "networks.*."},
		{"Volumes", "volumes.*."}, {"Secrets", "secrets.*."}, {"Configs", "configs.*."},
	}
	for _, s := range sections {
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

// section is the part of the document a key is in.
func section(path string) string {
	if strings.HasPrefix(path, "services.*.deploy.") {
		return "services.*.deploy."
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

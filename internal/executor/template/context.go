package template

import (
	"strings"
	"text/template"
)

// Context is what a spec's templates see.
type Context struct {
	Service struct {
		ID     string
		Name   string
		Labels map[string]string
	}
	Node struct {
		ID       string
		Hostname string
		Platform Platform
	}
	Task struct {
		ID   string
		Name string
		Slot string // of a global service's task: the node's id
	}
}

// Platform is what a node is.
type Platform struct {
	Architecture string
	OS           string
}

// Expand expands one string.
func (c *Context) Expand(s string) (string, error) { return expand(s, nil, c) }

func expand(s string, functions template.FuncMap, context any) (string, error) {
	if !strings.Contains(s, "{{") {
		return s, nil
	}
	t, err := template.New("expansion").Option("missingkey=error").Funcs(template.FuncMap{"join": join}).Funcs(functions).Parse(s)
	if err != nil {
		return s, err
	}
	out := new(strings.Builder)
	if err := t.Execute(out, context); err != nil {
		return s, err
	}
	return out.String(), nil
}

// join is the one function that a spec's templates have: the separator comes first. Without one it panics, which the
// template makes its error.
func join(s ...string) string { return strings.Join(s[1:], s[0]) }

package source

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// Reference is another file that a file names.
type Reference struct {
	File    string
	Service string // that extends it; of an included file none
	Base    string // the service it extends
}

// References are the files that a file includes or whose services it extends, as they are written. It also notes which
// services of the file itself are extended.
func (f *Files) References(name string) []Reference {
	var out []Reference
	for i := range f.files {
		if f.files[i].name != name {
			continue
		}
		for _, doc := range f.files[i].docs {
			if len(doc.Content) > 0 {
				out = append(out, includes(doc.Content[0])...)
				out = append(out, f.files[i].extends(doc.Content[0])...)
			}
		}
	}
	return out
}

// Extend says that a service of a file becomes part of another service.
func (f *Files) Extend(name, base, service string) {
	for i := range f.files {
		if f.files[i].name == name {
			f.files[i].extend(base, service)
		}
	}
}

func (f *file) extend(base, service string) {
	if base != service && !slices.Contains(f.as[service], base) {
		f.as[service] = append(f.as[service], base)
	}
}

func includes(root *yaml.Node) []Reference {
	var out []Reference
	_, list := child(root, "include")
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	for _, entry := range list.Content {
		paths := entry
		if entry.Kind == yaml.MappingNode {
			_, paths = child(entry, "path")
		}
		for _, path := range texts(paths) {
			out = append(out, Reference{File: path})
		}
	}
	return out
}

func (f *file) extends(root *yaml.Node) []Reference {
	var out []Reference
	_, services := child(root, "services")
	if services == nil || services.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(services.Content); i += 2 {
		service := services.Content[i].Value
		_, extends := child(services.Content[i+1], "extends")
		if extends == nil {
			continue
		}
		if extends.Kind == yaml.ScalarNode {
			f.extend(extends.Value, service)
			continue
		}
		r := Reference{Service: service, Base: text(extends, "service"), File: text(extends, "file")}
		if r.File == "" {
			f.extend(r.Base, service)
			continue
		}
		out = append(out, r)
	}
	return out
}

func text(n *yaml.Node, name string) string {
	if _, value := child(n, name); value != nil {
		return value.Value
	}
	return ""
}

func texts(n *yaml.Node) []string {
	switch {
	case n == nil:
	case n.Kind == yaml.ScalarNode:
		return []string{n.Value}
	case n.Kind == yaml.SequenceNode:
		var out []string
		for _, one := range n.Content {
			out = append(out, one.Value)
		}
		return out
	}
	return nil
}

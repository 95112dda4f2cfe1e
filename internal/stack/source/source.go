package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Place is where a key stands.
type Place struct {
	File  string
	Line  int
	Exact bool // the key itself, not what it is below
}

// Files are the files of a model, in the order they are merged.
type Files struct{ files []file }

type file struct {
	name string
	text string
	docs []*yaml.Node
	// as says that services of this file are merged into those of other names: extends.
	as map[string][]string
}

// Add reads a file that is merged before another, or last where there is none. One that was read already stays where it is.
func (f *Files) Add(name string, content []byte, before string) error {
	if f.Has(name) {
		return nil
	}
	read := file{name: name, text: string(content), as: map[string][]string{}}
	for d := yaml.NewDecoder(bytes.NewReader(content)); ; {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s cannot be read: %w", name, err)
		}
		read.docs = append(read.docs, &doc)
	}
	at := slices.IndexFunc(f.files, func(one file) bool { return one.name == before })
	if at < 0 {
		at = len(f.files)
	}
	f.files = slices.Insert(f.files, at, read)
	return nil
}

// Has reports whether a file was read.
func (f *Files) Has(name string) bool {
	return slices.ContainsFunc(f.files, func(one file) bool { return one.name == name })
}

// Locate finds a key's place, or that of the nearest above it.
func (f *Files) Locate(path []string) Place {
	best, depth := Place{}, 0
	for i := range f.files {
		for _, way := range f.files[i].ways(path) {
			line, found := f.files[i].find(way)
			if found >= depth && found > 0 {
				best, depth = Place{File: f.files[i].name, Line: line, Exact: found == len(path)}, found
			}
		}
	}
	if list := f.list(path); list < depth {
		return f.Locate(path[:list])
	}
	return best
}

// list is the length of a path up to a list that several files have a part of; without one it is the path's length.
func (f *Files) list(path []string) int {
	for n := range path {
		if _, err := strconv.Atoi(path[n]); err != nil {
			continue
		}
		holders := 0
		for i := range f.files {
			for _, way := range f.files[i].ways(path[:n]) {
				if _, found := f.files[i].find(way); found == n {
					holders++
				}
			}
		}
		if holders > 1 {
			return n
		}
	}
	return len(path)
}

// Mention is the first place that has a text.
func (f *Files) Mention(texts ...string) Place {
	for _, one := range f.files {
		n := 0
		for line := range strings.Lines(one.text) {
			n++
			if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(line, text) }) {
				return Place{File: one.name, Line: n, Exact: true}
			}
		}
	}
	return Place{}
}

// ways are a path, and the paths of the services it is taken over from.
func (f *file) ways(path []string) [][]string {
	ways := [][]string{path}
	if len(path) >= 2 && path[0] == "services" {
		for _, base := range f.as[path[1]] {
			ways = append(ways, slices.Concat([]string{"services", base}, path[2:]))
		}
	}
	return ways
}

// find follows a path as far as it goes.
func (f *file) find(path []string) (line, depth int) {
	for _, doc := range f.docs {
		if len(doc.Content) == 0 {
			continue
		}
		if l, d := follow(doc.Content[0], path, doc.Line); d > depth {
			line, depth = l, d
		}
	}
	return line, depth
}

func follow(n *yaml.Node, path []string, line int) (at, depth int) {
	if len(path) == 0 {
		return line, 0
	}
	key, value := child(n, path[0])
	if key == nil {
		return line, 0
	}
	at, depth = follow(value, path[1:], key.Line)
	return at, depth + 1
}

// child is a member of a mapping, an element of a list, or, in the short form of both, the entry that begins with the key.
func child(n *yaml.Node, name string) (key, value *yaml.Node) {
	switch n.Kind {
	case yaml.AliasNode:
		return child(n.Alias, name)
	case yaml.MappingNode:
		return member(n, name)
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(name); err == nil {
			if i < len(n.Content) {
				return n.Content[i], n.Content[i]
			}
			return nil, nil
		}
		for _, entry := range n.Content {
			if entry.Kind == yaml.ScalarNode && (entry.Value == name || strings.HasPrefix(entry.Value, name+"=")) {
				return entry, entry
			}
		}
	}
	return nil, nil
}

func member(n *yaml.Node, name string) (key, value *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 { // what is merged in counts less than what is there
		if n.Content[i].Tag == "!!merge" || n.Content[i].Value == "<<" {
			for _, from := range merged(n.Content[i+1]) {
				if key, value := child(from, name); key != nil {
					return key, value
				}
			}
		}
	}
	return nil, nil
}

func merged(n *yaml.Node) []*yaml.Node {
	if n.Kind == yaml.SequenceNode {
		return n.Content
	}
	return []*yaml.Node{n}
}

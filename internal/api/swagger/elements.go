package swagger

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Elements names all that an operation's description holds: its parameters, the keys of its filters, the members
// of its body, the statuses it answers with and the members of the answers that are no errors.
func (o Operation) Elements() []string {
	var out []string
	for _, p := range o.parameters() {
		name := fmt.Sprint(lookup(p, "name"))
		switch in := fmt.Sprint(lookup(p, "in")); {
		case in == "body":
			o.doc.walk(lookup(p, "schema"), "", nil, func(path string) { out = append(out, o.Key()+" body "+path) })
		case in == "query" && name == "filters":
			for _, key := range filterKeys(fmt.Sprint(lookup(p, "description"))) {
				out = append(out, o.Key()+" filter "+key)
			}
		case in != "path":
			out = append(out, o.Key()+" "+in+" "+name)
		}
	}
	for status := range members(lookup(o.node, "responses")) {
		out = append(out, o.Key()+" status "+status)
		if strings.HasPrefix(status, "2") {
			o.doc.walk(o.answer(status), "", nil, func(path string) { out = append(out, o.Key()+" answer "+path) })
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (o Operation) parameters() []any {
	list, _ := lookup(o.node, "parameters").([]any)
	return list
}

// filterKeys reads the list of filters, which the descriptions have as prose: "- `label=<key>` …".
func filterKeys(description string) []string {
	var keys []string
	for _, m := range regexp.MustCompile("(?m)^ *- `([a-z.-]+)").FindAllStringSubmatch(description, -1) {
		keys = append(keys, m[1])
	}
	return keys
}

// walk names every member below a schema. Lists go unmarked in a path, the values of free maps are "*".
func (d *Document) walk(schema any, path string, above []string, found func(string)) {
	if ref, ok := lookup(schema, "$ref").(string); ok {
		if slices.Contains(above, ref) {
			return
		}
		above = append(slices.Clip(above), ref)
	}
	schema = d.resolve(schema)
	for name, property := range d.properties(schema) {
		inner := strings.TrimPrefix(path+"."+name, ".")
		found(inner)
		d.walk(property, inner, above, found)
	}
	if items := lookup(schema, "items"); items != nil {
		d.walk(items, path, above, found)
	}
	if values := lookup(schema, "additionalProperties"); values != nil && path != "" {
		d.walk(values, path+".*", above, found)
	}
}

// Touched names the elements that one request and its answer show. A body or an answer may hold several JSON
// values, as streams do; what is no JSON shows nothing.
func (o Operation) Touched(query url.Values, header []string, body string, status int, answer string) []string {
	touched := map[string]bool{fmt.Sprintf("%s status %d", o.Key(), status): true}
	for name, values := range query {
		if name != "filters" {
			touched[o.Key()+" query "+name] = true
			continue
		}
		var filters map[string]any
		if json.Unmarshal([]byte(values[0]), &filters) == nil {
			for key := range filters {
				touched[o.Key()+" filter "+key] = true
			}
		}
	}
	for _, name := range header {
		touched[o.Key()+" header "+name] = true
	}
	for _, p := range o.parameters() {
		if lookup(p, "in") == "body" {
			o.show(lookup(p, "schema"), body, func(path string) { touched[o.Key()+" body "+path] = true })
		}
	}
	if status < 300 {
		o.show(o.answer(fmt.Sprint(status)), answer, func(path string) { touched[o.Key()+" answer "+path] = true })
	}
	var out []string
	for e := range touched {
		out = append(out, e)
	}
	slices.Sort(out)
	return out
}

func (o Operation) show(schema any, text string, found func(string)) {
	for dec := json.NewDecoder(strings.NewReader(text)); ; {
		var value any
		if dec.Decode(&value) != nil {
			return
		}
		o.doc.touch(schema, value, "", found)
	}
}

// touch names the members of the schema that the value has.
func (d *Document) touch(schema, value any, path string, found func(string)) {
	schema = d.resolve(schema)
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			d.touch(lookup(schema, "items"), element, path, found)
		}
	case map[string]any:
		properties := d.properties(schema)
		for name, inner := range v {
			if inner == nil {
				continue
			}
			if property, ok := properties[name]; ok {
				below := strings.TrimPrefix(path+"."+name, ".")
				found(below)
				d.touch(property, inner, below, found)
			} else if values := lookup(schema, "additionalProperties"); values != nil {
				d.touch(values, inner, path+".*", found)
			}
		}
	}
}

// Operations are all operations whose path starts with one of the words, "services".
func (d *Document) Operations(words ...string) []Operation {
	var out []Operation
	for pattern, methods := range d.paths {
		if !slices.Contains(words, strings.Split(pattern, "/")[1]) {
			continue
		}
		for method, node := range members(methods) {
			if lookup(node, "responses") != nil {
				out = append(out, Operation{strings.ToUpper(method), pattern, d, node})
			}
		}
	}
	slices.SortFunc(out, func(a, b Operation) int { return strings.Compare(a.Key(), b.Key()) })
	return out
}

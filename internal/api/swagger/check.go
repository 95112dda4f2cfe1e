package swagger

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Check tells where the answer does not fit: members the description lacks, and values of another type. A status
// that is not described, and one without a schema, fit whatever came with them.
func (o Operation) Check(status int, value any) []string {
	schema := o.answer(fmt.Sprint(status))
	if schema == nil {
		return nil
	}
	c := checker{d: o.doc}
	c.check(o.Pattern, schema, value)
	sort.Strings(c.wrong)
	return slices.Compact(c.wrong)
}

// checker compares a value with a schema and collects what does not fit.
type checker struct {
	d     *Document
	wrong []string
}

func (c *checker) fail(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

func (c *checker) check(path string, schema, value any) {
	if value == nil {
		return
	}
	schema = c.d.resolve(schema)
	switch v := value.(type) {
	case map[string]any:
		c.object(path, schema, v)
	case []any:
		if kind, _ := lookup(schema, "type").(string); kind != "array" {
			c.fail("%s is a list, not %s", path, kind)
			return
		}
		for _, element := range v {
			c.check(path, lookup(schema, "items"), element)
		}
	default:
		c.scalar(path, schema, v)
	}
}

func (c *checker) object(path string, schema any, value map[string]any) {
	if kind, ok := lookup(schema, "type").(string); ok && kind != "object" {
		c.fail("%s is an object, not %s", path, kind)
		return
	}
	properties := c.d.properties(schema)
	additional := lookup(schema, "additionalProperties")
	if len(properties) == 0 && additional == nil {
		return // anything goes
	}
	for name, inner := range value {
		switch property, ok := properties[name]; {
		case ok:
			c.check(path+"."+name, property, inner)
		case additional != nil && additional != false:
			c.check(path+".*", additional, inner)
		default:
			c.fail("%s.%s is not in the definition", path, name)
		}
	}
}

func (c *checker) scalar(path string, schema, value any) {
	kind, ok := lookup(schema, "type").(string)
	if !ok {
		return
	}
	got := map[string]string{"string": "string", "bool": "boolean", "float64": "number", "json.Number": "number"}[fmt.Sprintf("%T", value)]
	if kind != got && !(kind == "integer" && got == "number") {
		c.fail("%s is a %s, not %s", path, got, kind)
	}
}

// resolve follows references to the definition they name.
func (d *Document) resolve(schema any) any {
	for {
		ref, ok := lookup(schema, "$ref").(string)
		if !ok {
			return schema
		}
		schema = d.definitions[strings.TrimPrefix(ref, "#/definitions/")]
	}
}

// properties are an object's own and those of what it is made of.
func (d *Document) properties(schema any) map[string]any {
	out := map[string]any{}
	schema = d.resolve(schema)
	if all, ok := lookup(schema, "allOf").([]any); ok {
		for _, part := range all {
			for name, property := range d.properties(part) {
				out[name] = property
			}
		}
	}
	for name, property := range members(lookup(schema, "properties")) {
		out[name] = property
	}
	return out
}

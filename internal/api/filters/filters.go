package filters

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/skep-org/skep/internal/api/httperr"
)

// Args are the values asked for, by key.
type Args map[string][]string

// Parse reads the parameter in both of its forms, {"key":{"value":true}} and the older {"key":["value"]}. As in Docker
// a value counts that is there, whatever stands beside it.
func Parse(text string) (Args, error) {
	args := Args{}
	if text == "" {
		return args, nil
	}
	var current map[string]map[string]bool
	err := json.Unmarshal([]byte(text), &current)
	if err == nil {
		for key, values := range current {
			args[key] = slices.Sorted(maps.Keys(values))
		}
		return args, nil
	}
	var older map[string][]string
	if json.Unmarshal([]byte(text), &older) != nil {
		return nil, httperr.BadRequest("%s", err)
	}
	for key, values := range older {
		args[key] = values
	}
	return args, nil
}

// Check refuses keys that are not among known.
func (a Args) Check(known ...string) error {
	for key := range a {
		if !slices.Contains(known, key) {
			return httperr.BadRequest("Invalid filter '%s'", key)
		}
	}
	return nil
}

// Prefix says whether value begins with one of the values of key; no values match everything.
func (a Args) Prefix(key, value string) bool {
	return len(a[key]) == 0 || slices.ContainsFunc(a[key], func(want string) bool { return strings.HasPrefix(value, want) })
}

// Exact says whether value is one of the values of key; no values match everything.
func (a Args) Exact(key, value string) bool {
	return len(a[key]) == 0 || slices.Contains(a[key], value)
}

// Pattern says whether value is, or matches as a regular expression, one of the values of key.
func (a Args) Pattern(key, value string) bool {
	return a.Exact(key, value) || slices.ContainsFunc(a[key], func(want string) bool {
		matched, err := regexp.MatchString(want, value)
		return err == nil && matched
	})
}

// Begins is Pattern for what is matched from its beginning on.
func (a Args) Begins(key, value string) bool {
	return a.Exact(key, value) || slices.ContainsFunc(a[key], func(want string) bool {
		matched, err := regexp.MatchString("^(?:"+want+")", value)
		return err == nil && matched
	})
}

// Labels says whether labels has every "name" or "name=value" of key.
func (a Args) Labels(key string, labels map[string]string) bool {
	for _, want := range a[key] {
		name, wantValue, _ := strings.Cut(want, "=")
		value, ok := labels[name]
		if !ok || wantValue != "" && value != wantValue {
			return false
		}
	}
	return true
}

// Bool reads a key that holds true or false; ok is false when it is not there.
func (a Args) Bool(key string) (value, ok bool, err error) {
	values := a[key]
	if len(values) == 0 {
		return false, false, nil
	}
	yes := slices.Contains(values, "1") || slices.Contains(values, "true")
	no := slices.Contains(values, "0") || slices.Contains(values, "false")
	if yes == no {
		return false, false, httperr.BadRequest(`invalid value for filter '%s', must be "true" (or "1"), or "false" (or "0")`, key)
	}
	return yes, true, nil
}

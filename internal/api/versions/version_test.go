package versions

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	for _, tc := range []struct{ path, text, rest string }{
		{"/v1.41/services", "1.41", "/services"},
		{"/services", "", "/services"},
		{"/v9/_ping", "9", "/_ping"},
		{"/version", "", "/version"},
		{"/volumes/v1.2/x", "", "/volumes/v1.2/x"},
		{"/v1.41", "", "/v1.41"},
		{"/v1.4a/x", "", "/v1.4a/x"},
		{"/v/x", "", "/v/x"},
		{"/v1.41//x", "1.41", "//x"},
	} {
		text, rest := Split(tc.path)
		if text != tc.text || rest != tc.rest {
			t.Errorf("Split(%q) = %q, %q; want %q, %q", tc.path, text, rest, tc.text, tc.rest)
		}
	}
}

func TestOrder(t *testing.T) {
	for _, tc := range []struct {
		older, newer string
	}{{"1.9", "1.41"}, {"1.41", "1.42"}, {"1.56", "9"}, {"1", "1.1"}} {
		a, okA := Parse(tc.older)
		b, okB := Parse(tc.newer)
		if !okA || !okB || !a.Less(b) || b.Less(a) {
			t.Errorf("%s is not older than %s", tc.older, tc.newer)
		}
	}
}

func TestParsePrintsItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := Version{rapid.IntRange(0, 99).Draw(t, "major"), rapid.IntRange(0, 999).Draw(t, "minor")}
		got, ok := Parse(v.String())
		if !ok || got != v {
			t.Fatalf("Parse(%q) = %v, %v", v, got, ok)
		}
	})
	for _, bad := range []string{"", "x", "1.x", "."} {
		if v, ok := Parse(bad); ok {
			t.Errorf("Parse(%q) = %v", bad, v)
		}
	}
}

package messages

import (
	"slices"
	"strings"
	"testing"
)

// TestFollow: messages in their order, until one is an error or none can be read.
func TestFollow(t *testing.T) {
	for _, c := range []struct{ body, want, err string }{
		{`{"stream":"Step 1\n"} {"id":"a","status":"Pushing"} {"id":"a","status":"Pushed"}`, "Step 1\n||a: Pushed", ""},
		{`{"id":"b","status":"Layer already exists"} {"status":"latest: digest"}`, "b: Layer already exists|", ""},
		{`{"stream":"x"} {"error":"no space left"} {"stream":"y"}`, "x", "no space left"},
		{`{"stream":"x"} and`, "x", "the engine's answer cannot be read"},
		{``, "", ""},
	} {
		var got []string
		err := Follow(strings.NewReader(c.body), func(m Message) { got = append(got, m.Stream+m.Pushed()) })
		if strings.Join(got, "|") != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q, %v", c.body, slices.Clone(got), err)
		}
	}
}

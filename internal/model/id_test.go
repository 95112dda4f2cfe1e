package model

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func drawID(t *rapid.T, label string) ID {
	var id ID
	copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
	return id
}

// TestIDText: text and bytes are each other's inverse and sort alike; the zero id is no id.
func TestIDText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawID(t, "a"), drawID(t, "b")
		back, err := ParseID(a.String())
		if err != nil || back != a {
			t.Fatalf("%s is read as %s: %v", a, back, err)
		}
		if !a.IsZero() && len(a.String()) != IDLen || a.IsZero() && a.String() != "" {
			t.Fatalf("%q has %d characters", a, len(a.String()))
		}
		if !a.IsZero() && !b.IsZero() && a.Compare(b) != strings.Compare(a.String(), b.String()) {
			t.Fatalf("%s and %s sort differently than their bytes", a, b)
		}
		raw, err := json.Marshal(map[ID]ID{a: b})
		if err != nil {
			t.Fatal(err)
		}
		var m map[ID]ID
		if err := json.Unmarshal(raw, &m); err != nil || m[a] != b {
			t.Fatalf("%s is read as %v: %v", raw, m, err)
		}
	})
}

func TestBadIDs(t *testing.T) {
	largest := ID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if _, err := ParseID(largest.String()); err != nil {
		t.Errorf("the largest id %s: %v", largest, err)
	}
	for _, s := range []string{
		"x", strings.Repeat("0", 24), strings.Repeat("0", 26), strings.Repeat("z", 25), strings.ToUpper(largest.String()),
		"+" + strings.Repeat("1", 24), "-" + strings.Repeat("1", 24), strings.Repeat("1", 24) + "_", strings.Repeat("1", 24) + " ",
		"0x" + strings.Repeat("1", 22) + ".", strings.Repeat("ä", 12) + "a",
	} {
		if id, err := ParseID(s); err == nil {
			t.Errorf("%q is read as %x", s, id)
		}
	}
}

// FuzzParseID: what is read as an id is its text, with nothing to choose.
func FuzzParseID(f *testing.F) {
	f.Add("")
	f.Add(NumID(7).String())
	f.Add("1_" + strings.Repeat("1", 23))
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err == nil && id.String() != s && !(id.IsZero() && strings.Trim(s, "0") == "") {
			t.Fatalf("%q is read as %s", s, id)
		}
	})
}

// TestKeyOrder: keys sort by their ids, the first one first, and a number's id as the number.
func TestKeyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := rapid.Uint64().Draw(t, "x"), rapid.Uint64().Draw(t, "y")
		a := drawID(t, "a")
		want := 0
		switch {
		case x < y:
			want = -1
		case x > y:
			want = 1
		}
		if got := KeyPair(a, NumID(x)).Compare(KeyPair(a, NumID(y))); got != want {
			t.Fatalf("%d against %d: %d", x, y, got)
		}
		if got := KeyPair(NumID(x), drawID(t, "b")).Compare(KeyPair(NumID(y), drawID(t, "c"))); want != 0 && got != want {
			t.Fatalf("%d against %d: %d", x, y, got)
		}
	})
}

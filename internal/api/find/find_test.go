package find

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"pgregory.net/rapid"
)

func viewOf(t interface{ Fatal(...any) }, changes ...store.Change) store.View {
	s := store.New()
	d := store.Direct{Store: s, Now: func() time.Time { return time.Unix(1, 0) }}
	if _, err := d.Commit(&store.Batch{Writer: store.WriterInit, Changes: changes}).Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s.View()
}

func id(text string) model.ID {
	out, err := model.ParseID(text + strings.Repeat("0", model.IDLen-len(text)))
	if err != nil {
		panic(err)
	}
	return out
}

func TestServiceByIDNamePrefix(t *testing.T) {
	// The third service's name is the first one's id, the second's a prefix of it.
	first := id("abc1")
	v := viewOf(t,
		store.Services.Put(&model.Service{ID: first, Name: "web"}),
		store.Services.Put(&model.Service{ID: id("abc2"), Name: "abc1"}),
		store.Services.Put(&model.Service{ID: id("abd"), Name: first.String()}))
	for _, tc := range []struct{ ref, want, err string }{
		{"web", "web", ""},
		{first.String(), "web", ""}, // an id comes before a name
		{"abc1", "abc1", ""},        // a name comes before a prefix
		{"abc2", "abc1", ""},
		{"abc", "", "service abc is ambiguous (2 matches found)"},
		{"x", "", "service x not found"},
		{"we", "", "service we not found"},     // names have no prefixes
		{"ABC1", "", "service ABC1 not found"}, // who looks has to be exact, who creates need not
		{strings.Repeat("z", 25), "", "service zzzzzzzzzzzzzzzzzzzzzzzzz not found"},
		{strings.Repeat("a", 26), "", "service aaaaaaaaaaaaaaaaaaaaaaaaaa not found"},
	} {
		s, err := Service(v, tc.ref)
		switch {
		case tc.err != "" && (err == nil || err.Error() != tc.err):
			t.Errorf("%s: %v, want %s", tc.ref, err, tc.err)
		case tc.err == "" && (err != nil || s.Name != tc.want):
			t.Errorf("%s: %v, %v, want %s", tc.ref, s, err, tc.want)
		}
	}
}

func TestNodeByHostname(t *testing.T) {
	node := func(n, host string) []store.Change {
		return []store.Change{store.NodeSpecs.Put(&model.NodeSpec{ID: id(n), Spec: model.DocOf(swarm.NodeSpec{})}),
			store.NodeStates.Put(&model.NodeState{ID: id(n), Description: model.DocOf(swarm.NodeDescription{Hostname: host})})}
	}
	v := viewOf(t, append(append(node("a1", "one"), node("a2", "twin")...), node("a3", "twin")...)...)
	if n, err := Node(v, "one"); err != nil || n.ID != id("a1") {
		t.Errorf("one: %v, %v", n, err)
	}
	if _, err := Node(v, "twin"); httperr.Status(err) != 400 {
		t.Errorf("twin: %v", err)
	}
	if n, err := Node(v, "a3"); err != nil || n.ID != id("a3") {
		t.Errorf("a3: %v, %v", n, err)
	}
}

func TestTaskByContainerName(t *testing.T) {
	v := viewOf(t, store.Services.Put(&model.Service{ID: id("51"), Name: "a.b"}),
		store.Tasks.Put(&model.Task{ID: id("7a"), ServiceID: id("51"), Slot: 2}))
	name := "a.b.2." + id("7a").String()
	if task, err := Task(v, name); err != nil || task.ID != id("7a") {
		t.Errorf("%s: %v, %v", name, task, err)
	}
	if _, err := Task(v, "other.2."+id("7a").String()); httperr.Status(err) != 404 {
		t.Errorf("another service's name: %v", err)
	}
}

// TestPrefixAgreesWithText compares the search in key order with a search through the texts.
func TestPrefixAgreesWithText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ids []model.ID
		var changes []store.Change
		for i := range rapid.IntRange(0, 20).Draw(t, "rows") {
			var row model.ID
			copy(row[:], rapid.SliceOfN(rapid.ByteRange(0, 3), 2, 2).Draw(t, "id"))
			row[15] = byte(i + 1)
			ids = append(ids, row)
			changes = append(changes, store.Tasks.Put(&model.Task{ID: row}))
		}
		v := viewOf(t, changes...)
		ref := rapid.StringMatching(`[0-9a-z]{1,4}`).Draw(t, "ref")
		if len(ids) > 0 && rapid.Bool().Draw(t, "real") {
			text := rapid.SampledFrom(ids).Draw(t, "of").String()
			ref = text[:rapid.IntRange(1, len(text)).Draw(t, "length")]
		}
		matches := 0
		for _, row := range ids {
			if strings.HasPrefix(row.String(), ref) {
				matches++
			}
		}
		_, err := Task(v, ref)
		switch {
		case matches == 0 && httperr.Status(err) != 404, matches == 1 && err != nil, matches > 1 && httperr.Status(err) != 400:
			t.Fatalf("%q matches %d: %v", ref, matches, err)
		}
	})
}

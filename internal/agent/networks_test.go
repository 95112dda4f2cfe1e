package agent

import (
	"slices"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// TestNetworksAreTold: also of one that comes: while the engine is looked through for what nobody needs, it must be known.
func TestNetworksAreTold(t *testing.T) {
	m, err := New(Options{NodeID: node}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.link.synced = true
	front, back := model.NumID(1), model.NumID(2)
	version := uint64(0)
	told := func(what string, a *wire.Assignments, want ...model.ID) {
		t.Helper()
		version++
		a.Epoch, a.Version = 1, version
		if err := m.assign(time.Unix(1, 0), a); err != nil {
			t.Fatal(err)
		}
		got := m.networks()
		if got == nil && want == nil {
			return
		}
		if got == nil || !slices.Equal(*got, want) {
			t.Errorf("%s: told %v, wanted %v", what, got, want)
		}
	}
	network := func(id model.ID) []*wire.Network { return []*wire.Network{{Id: wire.Bytes(id), Name: "n"}} }
	told("a full set", &wire.Assignments{Full: true, Networks: network(front)}, front)
	told("one more", &wire.Assignments{Networks: network(back)}, front, back)
	told("nothing of networks", &wire.Assignments{})
	told("one less", &wire.Assignments{Dropped: [][]byte{wire.Bytes(front)}}, back)
}

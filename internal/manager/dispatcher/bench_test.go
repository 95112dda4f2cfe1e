package dispatcher

import (
	"testing"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// BenchmarkHeartbeats is what a leader of a thousand nodes does for one heartbeat; a large cluster sends two thousand
// a second.
func BenchmarkHeartbeats(b *testing.B) {
	s := store.New()
	now := time.Unix(1000, 0)
	direct := store.Direct{Store: s, Now: func() time.Time { return now }}
	direct.Commit(&store.Batch{Writer: store.WriterInit, Changes: []store.Change{store.Clusters.Put(&model.Cluster{ID: id("k1"), Epoch: 1})}})
	m := New(s, &direct)
	var sessions []SessionID
	for i := range 1000 {
		node := model.NumID(uint64(1000 + i))
		direct.Commit(&store.Batch{Writer: store.WriterAPI, Changes: []store.Change{store.NodeSpecs.Put(&model.NodeSpec{ID: node})}})
		sid := m.Open(node, "192.0.2.1")
		m.Deliver(now, sid, wire.FromHello(&wire.Hello{NodeId: wire.Bytes(node), Description: []byte(`{}`)}))
		sessions = append(sessions, sid)
	}
	for range 3 {
		if _, _, err := m.Step(now); err != nil {
			b.Fatal(err)
		}
	}
	beat := wire.FromHeartbeat(&wire.Heartbeat{})
	for b.Loop() {
		for _, sid := range sessions {
			m.Deliver(now, sid, beat)
			now = now.Add(time.Millisecond)
			out, _, err := m.Step(now)
			if err != nil || len(out) == 0 {
				b.Fatal(err, len(out))
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(sessions)), "ns/beat")
}

package dispatcher

import (
	"fmt"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"pgregory.net/rapid"
)

// TestJudgement: whatever nodes do and whoever leads, a node is down only if nothing was heard of it for the limit and
// its lease is over, and one that stays silent is down in the end.
func TestJudgement(t *testing.T) {
	const limit = missedBeats * shortestPeriod
	rapid.Check(t, func(rt *rapid.T) {
		s := newScript(t)
		count := rapid.IntRange(1, 6).Draw(rt, "nodes")
		heard, lease, open := map[string]time.Time{}, map[string]time.Time{}, map[string]bool{}
		var all []string
		for i := range count {
			n := fmt.Sprintf("n%d", i+1)
			all = append(all, n)
			s.write(t, store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: id(n)}))
		}
		led := s.now // since when the leader leads
		anyone := func(rt *rapid.T) string { return rapid.SampledFrom(all).Draw(rt, "node") }
		check := func(rt *rapid.T) {
			for _, n := range all {
				st := store.NodeStates.ByID(s.store.View(), id(n))
				if st == nil {
					continue
				}
				silent := s.now.Sub(heard[n])
				switch {
				case st.State == model.ReachDown && open[n]:
					rt.Fatalf("%s is down while its session is open", n)
				case st.State == model.ReachDown && (silent < limit || s.now.Before(lease[n])):
					rt.Fatalf("%s is down after %s, its lease %s from now", n, silent, lease[n].Sub(s.now))
				case st.State == model.ReachReady && !open[n] && s.now.Sub(led) >= limit:
					rt.Fatalf("%s is ready without a session", n)
				case st.State != model.ReachDown && silent > 3*limit && s.now.Sub(led) > 3*limit && s.now.After(lease[n]):
					rt.Fatalf("%s is %s though silent for %s: %s", n, st.State.Swarm(), silent, st.Message)
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"hello": func(rt *rapid.T) {
				n := anyone(rt)
				s.sessions[n] = s.m.Open(id(n), "192.0.2.1")
				s.deliver(n, wire.FromHello(&wire.Hello{NodeId: wire.Bytes(id(n)), Description: []byte(`{}`)}))
				heard[n], lease[n], open[n] = s.now, time.Time{}, true
				s.settle(t)
			},
			"beat": func(rt *rapid.T) {
				for _, n := range all {
					if open[n] && rapid.Bool().Draw(rt, n) {
						s.deliver(n, wire.FromHeartbeat(&wire.Heartbeat{}))
						heard[n] = s.now
					}
				}
				s.settle(t)
			},
			"bye": func(rt *rapid.T) {
				n := anyone(rt)
				if !open[n] {
					rt.Skip("no session")
				}
				d := rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, time.Minute}).Draw(rt, "lease")
				s.deliver(n, wire.FromBye(&wire.Bye{Lease: int64(d)}))
				heard[n], lease[n], open[n] = s.now, s.now.Add(d), false
				s.settle(t)
			},
			"close": func(rt *rapid.T) {
				n := anyone(rt)
				s.m.Closed(s.now, s.sessions[n])
				open[n] = false
				s.settle(t)
			},
			"leader": func(*rapid.T) {
				s.m, s.sessions, led = New(s.store, s), map[string]SessionID{}, s.now
				clear(open)
				s.settle(t)
			},
			"time": func(rt *rapid.T) {
				end := s.now.Add(time.Duration(rapid.IntRange(1, 8000).Draw(rt, "ms")) * time.Millisecond)
				for s.now.Before(end) {
					s.now = soonest(end, s.m.wakeAt)
					s.settle(t)
					for _, n := range all {
						if open[n] && s.m.sessions[s.sessions[n]] == nil {
							open[n] = false // ended for its silence
						}
					}
				}
			},
			"": check,
		})
	})
}

func soonest(end, wake time.Time) time.Time {
	if !wake.IsZero() && wake.Before(end) {
		return wake
	}
	return end
}

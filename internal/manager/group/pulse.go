package group

import (
	"sync"
	"time"

	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store/raft"
)

const (
	// silentAfter is how long a member may not have been seen answering before it counts as unreachable. Raft forgets
	// who answered once in each election timeout, a second, and hears everybody again within a heartbeat.
	silentAfter = 1500 * time.Millisecond
	// settleTime is how long a leader listens before it believes that a member is silent.
	settleTime = 400 * time.Millisecond
)

// pulse remembers when the members of the group were seen answering.
type pulse struct {
	mu    sync.Mutex
	term  uint64
	since time.Time // when this listening began
	last  time.Time // the last look
	seen  map[uint64]time.Time
}

// take looks at a leader's status. Until settled is true a member that seems silent may only not have been heard yet.
func (p *pulse) take(st raft.Status, now time.Time) (g roles.Group, settled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.term != st.Term || now.Sub(p.last) > silentAfter {
		p.term, p.since, p.seen = st.Term, now, map[uint64]time.Time{}
	}
	p.last, settled = now, true
	for _, m := range st.Members {
		if m.Active {
			p.seen[m.ID] = now
		}
		at, ok := p.seen[m.ID]
		active := ok && now.Sub(at) <= silentAfter
		settled = settled && active
		node, err := model.ParseID(m.Node)
		if err != nil {
			node = model.ID{} // a member nobody can want: it will be removed
		}
		g = append(g, roles.Member{RaftID: m.ID, Node: node, Addr: m.Addr, Learner: m.Learner, Leader: m.ID == st.Leader, Active: active})
	}
	return g, settled || now.Sub(p.since) >= settleTime
}

package scale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/store"
	"golang.org/x/sync/errgroup"
)

// managerSetup is what a manager's process is told.
type managerSetup struct {
	Dir   string // its own
	API   string // path of its socket
	Token string // to join with; empty: it founds the cluster
	Join  string // address of a manager
}

// managerReady is what it answers.
type managerReady struct {
	Self  remote.Manager
	Token string // that other managers join with
}

// managerRole is a manager's process.
type managerRole struct {
	setup   managerSetup
	bare    *node.Bare
	watch   *watch
	profile *os.File
}

func newManagerRole(s managerSetup, version string) (*managerRole, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for agents: %w", err)
	}
	cfg := node.BareConfig{
		DataDir: s.Dir, Listener: l, API: "unix://" + s.API, Version: version, Env: env.Real(),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	m := &managerRole{setup: s}
	if s.Join == "" {
		m.bare, err = node.FoundBare(cfg)
	} else {
		m.bare, err = node.JoinBare(context.Background(), cfg, s.Token, s.Join)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	m.watch = newWatch(m.bare.Replicated().Store())
	return m, nil
}

func (m *managerRole) run(ctx context.Context, ready func(any)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.bare.Run(ctx) })
	g.Go(func() error {
		for !m.bare.Entered() {
			if err := env.Real().Pause(ctx, poll); err != nil {
				return err
			}
		}
		if err := m.bare.Replicated().WaitLeader(ctx); err != nil {
			return err
		}
		token, err := m.bare.ManagerToken()
		if err != nil {
			return err
		}
		ready(managerReady{Self: m.bare.Self(), Token: token})
		return nil
	})
	g.Go(func() error { return m.watch.run(ctx) })
	return g.Wait()
}

// managerState is how a manager stands.
type managerState struct {
	Leading  bool
	Leader   model.ID
	Ready    int   // nodes, as the tables say
	Tasks    int   // rows
	LogBytes int64 // since it started
	LogIndex uint64
	Heap     uint64 // live, as of the last collection
}

func (m *managerRole) answer(ctx context.Context, q question) (any, error) {
	switch q.Do {
	case "admit":
		return nil, m.admit(ctx, q.File, q.Many)
	case "state":
		return m.state(), nil
	case "watch":
		m.watch.begin()
		return nil, nil
	case "watched":
		return m.watch.seen(), nil
	case "profile":
		return nil, m.beginProfile(q.File)
	case "profiled":
		return nil, m.endProfile(q.File)
	}
	return nil, fmt.Errorf("a manager cannot %s", q.Do)
}

func (m *managerRole) state() managerState {
	r := m.bare.Replicated()
	v := r.Store().View()
	s := managerState{Leading: r.Leading(), Leader: r.Leader(), Tasks: store.Tasks.Len(v), LogBytes: m.bare.LogBytes(), LogIndex: v.Index()}
	for st := range store.NodeStates.All(v) {
		if st.State == model.ReachReady {
			s.Ready++
		}
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	s.Heap = mem.HeapAlloc
	return s
}

// admitAtOnce keeps a batch below the largest entry of the log.
const admitAtOnce = 500

// admit makes so many nodes with certificates, and writes their keys to a file.
func (m *managerRole) admit(ctx context.Context, file string, many int) error {
	a, cluster := m.bare.Authority()
	list, err := issue(a, cluster, many)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(list, admitAtOnce) {
		if err := m.bare.Admit(ctx, admitted(some)); err != nil {
			return err
		}
	}
	return writePasses(file, list)
}

// issue makes nodes' keys and certificates on all processors.
func issue(a identity.Authority, cluster model.ID, many int) ([]issued, error) {
	list := make([]issued, many)
	e := env.Real()
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range list {
		g.Go(func() error {
			id := model.ID(e.NewID())
			cert, err := a.Issue(e.Rand, e.Now(), cluster, id, model.RoleWorker, lifetime)
			list[i] = issued{pass{id, identity.Keys{Cert: cert.Cert, Key: cert.Key, Roots: a.Trusted}}, cert}
			return err
		})
	}
	return list, g.Wait()
}

package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/skep-org/skep/internal/wire"
)

// Server answers the other nodes. Its methods may be called from anywhere.
type Server struct {
	cfg       Config
	handlers  atomic.Pointer[Handlers]
	calls     *calls
	gate      *gate
	snapshots chan struct{}
	wg        sync.WaitGroup // of handlers whose calls may have ended before them
}

// snapshotsAtOnce bounds the snapshots a manager takes in at the same time.
const snapshotsAtOnce = 2

// NewServer makes a server that answers nothing until SetHandlers is called.
func NewServer(cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Limits = cfg.Limits.withDefaults()
	s := &Server{cfg: cfg, calls: newCalls(), gate: newGate(cfg.Limits, cfg.Env), snapshots: make(chan struct{}, snapshotsAtOnce)}
	s.handlers.Store(&Handlers{})
	return s
}

// SetHandlers changes what the node answers: it became a manager, or is none any more. The open streams end, since they
// were begun with the handlers from before.
func (s *Server) SetHandlers(h Handlers) {
	s.handlers.Store(&h)
	for _, o := range s.calls.list() {
		o.end(errRestarted())
	}
}

// Recheck asks again whether the nodes with open streams are allowed what they do, and ends the streams of those that
// are not. The caller calls it when nodes or roles have changed.
func (s *Server) Recheck() { s.endRefused() }

// Serve answers connections of lis until ctx ends or lis fails, and closes lis. It may be called once.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	d := newDoor(s.cfg)
	members, strangers := s.forMembers(), s.forStrangers()
	g, ctx := errgroup.WithContext(ctx)
	for server, in := range map[*grpc.Server]*inlet{members: d.members, strangers: d.strangers} {
		g.Go(func() error {
			if err := server.Serve(in); !errors.Is(err, grpc.ErrServerStopped) {
				return err
			}
			return nil // stopped before it began
		})
	}
	g.Go(func() error { return d.run(ctx, lis) })
	g.Go(func() error { return s.expire(ctx) })
	g.Go(func() error {
		<-ctx.Done()
		members.Stop()
		strangers.Stop()
		return nil
	})
	err := g.Wait()
	s.wg.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("answer other nodes at %s: %w", lis.Addr(), err)
	}
	return err
}

func (s *Server) forMembers() *grpc.Server {
	g := grpc.NewServer(
		grpc.Creds(handshaken{}), grpc.ConnectionTimeout(handshakeWait), grpc.WaitForHandlers(true),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxConcurrentStreams(256), grpc.MaxHeaderListSize(16<<10),
		grpc.StaticStreamWindowSize(streamWindow), grpc.StaticConnWindowSize(connectionWindow),
		grpc.ReadBufferSize(readBuffer),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepalivePing, Timeout: keepaliveWait}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepalivePing / 2, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(s.unary), grpc.StreamInterceptor(s.stream),
	)
	wire.RegisterAuthorityServer(g, authorityService{})
	wire.RegisterGroupServer(g, groupService{server: s})
	wire.RegisterDispatcherServer(g, dispatcherService{})
	wire.RegisterRelayServer(g, relayService{})
	wire.RegisterDirectoryServer(g, directoryService{})
	wire.RegisterRegistryServer(g, registryService{})
	wire.RegisterBlobsServer(g, blobsService{})
	return g
}

// forStrangers knows the calls of nodes that join; its other one, Renew, is refused to them.
func (s *Server) forStrangers() *grpc.Server {
	g := grpc.NewServer(
		grpc.Creds(handshaken{}), grpc.ConnectionTimeout(handshakeWait), grpc.WaitForHandlers(true),
		grpc.MaxRecvMsgSize(maxStrangerMessage), grpc.MaxConcurrentStreams(4), grpc.MaxHeaderListSize(8<<10),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: 2 * handshakeWait, MaxConnectionAge: 6 * handshakeWait, MaxConnectionAgeGrace: handshakeWait,
			Time: keepalivePing, Timeout: keepaliveWait,
		}),
		grpc.UnaryInterceptor(s.unary),
		grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
			return unauthenticated("a certificate of this cluster is needed; docker swarm join gets one")
		}),
	)
	wire.RegisterAuthorityServer(g, authorityService{})
	return g
}

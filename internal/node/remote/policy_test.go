package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// services are all that the project's protocol has.
func services() []grpc.ServiceDesc {
	return []grpc.ServiceDesc{wire.Authority_ServiceDesc, wire.Group_ServiceDesc, wire.Dispatcher_ServiceDesc, wire.Relay_ServiceDesc, wire.Directory_ServiceDesc,
		wire.Registry_ServiceDesc, wire.Blobs_ServiceDesc}
}

// Every method has a rule, so that a new one cannot be forgotten in the table.
func TestEveryMethodHasARule(t *testing.T) {
	n := 0
	for _, s := range services() {
		for _, m := range s.Methods {
			_, ok := ruleOf("/" + s.ServiceName + "/" + m.MethodName)
			require.True(t, ok, m.MethodName)
			n++
		}
		for _, m := range s.Streams {
			_, ok := ruleOf("/" + s.ServiceName + "/" + m.StreamName)
			require.True(t, ok, m.StreamName)
			n++
		}
	}
	require.Equal(t, n, len(methods()), "and a line in the table of who may call what")
	_, ok := ruleOf("/skep.wire.v1.Group/Other")
	require.False(t, ok)
}

type method struct {
	name string
	call func(context.Context, *grpc.ClientConn) error
}

// methods call each method so that the fakes answer it.
func methods() []method {
	snap, _ := proto.Marshal(&pb.Message{Type: pb.MsgSnap.Enum()})
	id := wire.Bytes(model.NumID(1))
	return []method{
		{"Authority.Root", func(ctx context.Context, cc *grpc.ClientConn) error {
			_, err := wire.NewAuthorityClient(cc).Root(ctx, &wire.RootRequest{})
			return err
		}},
		{"Authority.Join", func(ctx context.Context, cc *grpc.ClientConn) error {
			_, err := wire.NewAuthorityClient(cc).Join(ctx, &wire.JoinRequest{})
			return err
		}},
		{"Authority.Renew", func(ctx context.Context, cc *grpc.ClientConn) error {
			_, err := wire.NewAuthorityClient(cc).Renew(ctx, &wire.RenewRequest{})
			return err
		}},
		{"Dispatcher.Connect", func(ctx context.Context, cc *grpc.ClientConn) error {
			s, err := wire.NewDispatcherClient(cc).Connect(ctx)
			if err == nil {
				_, err = s.Recv()
			}
			return err
		}},
		{"Directory.Network", func(ctx context.Context, cc *grpc.ClientConn) error {
			_, err := wire.NewDirectoryClient(cc).Network(ctx, &wire.NetworkRequest{Name: "open"})
			return err
		}},
		{"Registry.Look", func(ctx context.Context, cc *grpc.ClientConn) error {
			_, err := wire.NewRegistryClient(cc).Look(ctx, &wire.RegistryQuery{})
			return err
		}},
		{"Registry.Record", func(ctx context.Context, cc *grpc.ClientConn) error {
			_, err := wire.NewRegistryClient(cc).Record(ctx, &wire.RegistryChange{})
			return err
		}},
		{"Blobs.Fetch", func(ctx context.Context, cc *grpc.ClientConn) error {
			d := model.DigestOf(nil)
			s, err := wire.NewBlobsClient(cc).Fetch(ctx, &wire.BlobRequest{Digest: d[:]})
			if err != nil {
				return err
			}
			if _, err = s.Recv(); errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}},
		{"Blobs.Keep", func(ctx context.Context, cc *grpc.ClientConn) error {
			d := model.DigestOf(nil)
			s, err := wire.NewBlobsClient(cc).Keep(ctx)
			if err != nil {
				return err
			}
			_ = s.Send(&wire.BlobPart{Digest: d[:]}) // the answer tells
			_, err = s.CloseAndRecv()
			return err
		}},
		{"Relay.Attach", func(ctx context.Context, cc *grpc.ClientConn) error {
			s, err := wire.NewRelayClient(cc).Attach(ctx)
			if err != nil {
				return err
			}
			_ = s.Send(&wire.RelayFrame{StreamId: id}) // Recv tells
			if _, err = s.Recv(); errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}},
		{"Group.Step", func(ctx context.Context, cc *grpc.ClientConn) error {
			s, err := wire.NewGroupClient(cc).Step(ctx)
			if err == nil {
				_, err = s.CloseAndRecv()
			}
			return err
		}},
		{"Group.Snapshot", func(ctx context.Context, cc *grpc.ClientConn) error {
			s, err := wire.NewGroupClient(cc).Snapshot(ctx)
			if err != nil {
				return err
			}
			_ = s.Send(&wire.SnapshotChunk{Message: snap})
			_, err = s.CloseAndRecv()
			return err
		}},
		{"Group.Propose", func(ctx context.Context, cc *grpc.ClientConn) error {
			_, err := wire.NewGroupClient(cc).Propose(ctx, &wire.ProposeRequest{})
			return err
		}},
		{"Group.Enter", func(ctx context.Context, cc *grpc.ClientConn) error {
			_, err := wire.NewGroupClient(cc).Enter(ctx, &wire.EnterRequest{})
			return err
		}},
		{"Group.Depart", func(ctx context.Context, cc *grpc.ClientConn) error {
			_, err := wire.NewGroupClient(cc).Depart(ctx, &wire.DepartRequest{})
			return err
		}},
		{"Group.Members", func(ctx context.Context, cc *grpc.ClientConn) error {
			_, err := wire.NewGroupClient(cc).Members(ctx, &wire.MembersRequest{})
			return err
		}},
		{"Group.Ask", func(ctx context.Context, cc *grpc.ClientConn) error {
			_, err := wire.NewGroupClient(cc).Ask(ctx, &wire.AskRequest{NodeId: id, What: &wire.AskRequest_CloseLogs{CloseLogs: &wire.CloseLogs{}}})
			return err
		}},
	}
}

// rawConn is a client that holds its tongue about who answers.
func rawConn(t *testing.T, addr string, keys *identity.Keys) *grpc.ClientConn {
	t.Helper()
	c := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}}
	if keys != nil {
		cert, err := tls.X509KeyPair(keys.Cert, keys.Key)
		require.NoError(t, err)
		// Also when the server says that it accepts only other authorities'.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	cc, err := connect(addr, credentials.NewTLS(c), dialTCP)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cc.Close()) })
	return cc
}

// TestWhoMayCall prints what each caller gets for each method.
func TestWhoMayCall(t *testing.T) {
	a, foreign := newCA(t), newCA(t)
	removed, demoted := model.NumID(20), model.NumID(21)
	keysOf := map[string]*identity.Keys{"nobody": nil}
	for name, k := range map[string]identity.Keys{
		"worker": a.keys(ours, w1, model.RoleWorker), "manager": a.keys(ours, m2, model.RoleManager),
		"foreign authority": foreign.keys(ours, m2, model.RoleManager), "other cluster": a.keys(theirs, m2, model.RoleManager),
		"removed manager": a.keys(ours, removed, model.RoleManager), "demoted manager": a.keys(ours, demoted, model.RoleManager),
		"authority itself": {Cert: a.root.Cert, Key: a.root.Key}, "ended certificate": a.keysFor(ours, m2, model.RoleManager, -time.Minute),
	} {
		keysOf[name] = &k
	}
	manager := serve(t, a, (&fakes{}).handlers())
	manager.granted.gone[removed] = true
	manager.granted.roles[demoted] = model.RoleWorker
	worker := serveAs(t, a, w1, "127.0.0.1:0", Handlers{})

	datadriven.RunTest(t, "testdata/policy.txt", func(t *testing.T, d *datadriven.TestData) string {
		var who, at string
		d.ScanArgs(t, "by", &who)
		d.ScanArgs(t, "at", &at)
		who = strings.ReplaceAll(who, "-", " ")
		keys, ok := keysOf[who]
		require.True(t, ok, who)
		addr := manager.addr
		if at == "worker" {
			addr = worker.addr
		}
		cc := rawConn(t, addr, keys)
		var out strings.Builder
		for _, m := range methods() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			err := m.call(ctx, cc)
			cancel()
			answered := "ok"
			if err != nil {
				st := status.Convert(err)
				answered = fmt.Sprintf("%s: %s", st.Code(), st.Message())
			}
			if i := strings.Index(answered, "remote error: "); i >= 0 {
				answered = answered[i:]
			}
			if i := strings.Index(answered, " ended "); i >= 0 {
				answered = answered[:i+6]
			}
			fmt.Fprintf(&out, "%-18s %s\n", m.name, answered)
		}
		return out.String()
	})
}

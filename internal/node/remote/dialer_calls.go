package remote

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"

	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// call makes a call on a connection that stands.
func (d *Dialer) call(ctx context.Context, to Manager, f func(*grpc.ClientConn) error) error {
	l, err := d.ready(ctx, to)
	if err != nil {
		return err
	}
	defer l.release()
	return d.meaning(to, f(l.cc))
}

// Propose has another manager commit a batch and returns the log index it has there. Errors are those that a
// store.Committer's Pending gives; store.ErrNotLeader also when the manager cannot be reached or is none any more, for
// nothing was written then.
func (d *Dialer) Propose(ctx context.Context, to Manager, b *store.Batch) (uint64, error) {
	raw, err := store.EncodeEntry(store.Entry{Batch: b})
	if err != nil {
		return 0, err
	}
	var reply *wire.ProposeReply
	err = d.call(ctx, to, func(cc *grpc.ClientConn) error {
		reply, err = wire.NewGroupClient(cc).Propose(ctx, &wire.ProposeRequest{Entry: raw})
		return err
	})
	switch {
	case errors.Is(err, ErrUnreachable), errors.Is(err, ErrNotManager):
		return 0, fmt.Errorf("%w: %w", store.ErrNotLeader, err)
	case err != nil:
		return 0, err
	case reply.Refusal != wire.Refusal_NONE || reply.Text != "":
		return 0, refusedError(reply)
	}
	return reply.Index, nil
}

// Reach returns when a manager of this node's cluster has proved to be one at an address.
func (d *Dialer) Reach(ctx context.Context, to Manager) error {
	return d.call(ctx, to, func(*grpc.ClientConn) error { return nil })
}

// Enter asks the leader to make this node a member of the managers' group, or to note its new address, and returns when
// it may vote. holds is the index of the state it has.
func (d *Dialer) Enter(ctx context.Context, to Manager, raftID uint64, addr string, holds uint64) error {
	return d.call(ctx, to, func(cc *grpc.ClientConn) error {
		_, err := wire.NewGroupClient(cc).Enter(ctx, &wire.EnterRequest{RaftId: raftID, Addr: addr, Holds: holds})
		return err
	})
}

// Depart asks the leader to take a member out of the group.
func (d *Dialer) Depart(ctx context.Context, to Manager, raftID uint64, force bool) error {
	return d.call(ctx, to, func(cc *grpc.ClientConn) error {
		_, err := wire.NewGroupClient(cc).Depart(ctx, &wire.DepartRequest{RaftId: raftID, Force: force})
		return err
	})
}

// Members asks the leader who is in the managers' group. store.ErrNotLeader: that manager does not lead, or has not
// answered; asking again does no harm.
func (d *Dialer) Members(ctx context.Context, to Manager) (roles.Group, error) {
	var reply *wire.MembersReply
	err := d.call(ctx, to, func(cc *grpc.ClientConn) (err error) {
		reply, err = wire.NewGroupClient(cc).Members(ctx, &wire.MembersRequest{})
		return err
	})
	switch {
	case errors.Is(err, ErrUnreachable), errors.Is(err, ErrNotManager), errors.Is(err, store.ErrUnknownOutcome):
		return nil, fmt.Errorf("%w: %w", store.ErrNotLeader, err)
	case err != nil:
		return nil, err
	}
	return groupOf(reply), nil
}

// Ask has the manager that leads hand a message to a node's agent.
func (d *Dialer) Ask(ctx context.Context, to Manager, req *wire.AskRequest) error {
	var reply *wire.AskReply
	err := d.call(ctx, to, func(cc *grpc.ClientConn) (err error) {
		reply, err = wire.NewGroupClient(cc).Ask(ctx, req)
		return err
	})
	if err == nil && (reply.Refusal != wire.Refusal_NONE || reply.Text != "") {
		err = &answered{reply.Text, sentinel(reply.Refusal)}
	}
	return err
}

// Network asks a manager for a network that plain containers may join: store.ErrNotFound, authority.ErrRefused for one
// they may not.
func (d *Dialer) Network(ctx context.Context, to Manager, name string) (*wire.Network, error) {
	var reply *wire.NetworkReply
	err := d.call(ctx, to, func(cc *grpc.ClientConn) (err error) {
		reply, err = wire.NewDirectoryClient(cc).Network(ctx, &wire.NetworkRequest{Name: name})
		return err
	})
	return reply.GetNetwork(), err
}

// Renew gets this node's next certificate.
func (d *Dialer) Renew(ctx context.Context, to Manager, csr []byte) (reply *wire.RenewReply, err error) {
	err = d.call(ctx, to, func(cc *grpc.ClientConn) error {
		reply, err = wire.NewAuthorityClient(cc).Renew(ctx, &wire.RenewRequest{Csr: csr})
		return err
	})
	return reply, err
}

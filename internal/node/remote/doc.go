// Package remote carries everything that nodes say to each other: gRPC over TLS 1.3 on one port of each node, with a
// node's certificate on both ends. It has no policy but who may call what; what is called is given by the caller.
//
// [Server] answers, [Dialer] calls, [Transport] carries the raft group's messages, [AgentDialer] finds the manager that
// leads and holds an agent's session with it, [Join] makes a node without a certificate a member.
//
// It reads and writes no table.
//
// Invariants:
//   - A client without a certificate reaches a server of its own, which knows Authority.Root and Authority.Join and
//     nothing else; its connections, calls and messages are few and small.
//   - Every other call comes from a node whose certificate names this cluster, has not ended and was allowed at the
//     start of the call. A stream ends as soon as any of that, asked again by [Server.Recheck], is no longer so.
//   - A method that is not in the table of who may call what is refused.
//   - A client believes only a manager of its own cluster, and where it asked for a node, only that node.
//   - Every queue, message and number of connections has a bound; what does not fit is refused or lost, never kept.
//
// Callers may not assume that a call which failed was not carried out, unless the error says so: a write whose
// connection broke answers store.ErrUnknownOutcome, and [ErrUnreachable] is returned only when nothing was sent.
package remote

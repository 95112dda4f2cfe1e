// Package agent runs what the managers assign to one node and reports what becomes of it.
//
// [Machine] decides; it is a message machine: the manager's messages, the engine's containers and the outcomes of
// operations in, operations and messages out, time as an argument. [Run] is its shell. It reads and writes no table.
//
// Invariants:
//   - The engine's containers are the truth: they are listed before anything is done, and adopted in whatever phase
//     they are. Nothing that ran or ended is started a second time.
//   - At most one operation is under way for a task.
//   - A container is removed only when a full set of assignments, not older than any applied before, does not name
//     its task. A set of a later epoch removes nothing: what it does not know runs on (see [Machine.Strangers]).
//   - Before the first full set of this process nothing is prepared or started; what runs is kept, what was to be
//     stopped is stopped.
//   - An engine that cannot be reached changes no task's state.
//   - Secrets and registry credentials are in memory only.
//   - A manager of an epoch that the node has left behind is not listened to: not what it assigns, nor where it says
//     the managers are, nor that the node was removed. One that is silent is left, as is one that was never believed.
//   - A planned end is announced: the managers wait for the node as long as [Options.Lease] says. Ended with the cause
//     [ErrLeaving] the node asks for no time.
//
// Callers may not assume that every state a task passes through is reported: only the latest is.
package agent

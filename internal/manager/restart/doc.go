// Package restart decides whether a slot's ended task is followed by another one, and when.
//
// It is a pure helper of the orchestrator: it reads the policy of a service's spec, how a task ended and the slot's
// row, and writes nothing itself.
//
// What it decides is what swarm mode does: condition none, on-failure (any end but exit code 0) or any; MaxAttempts
// restarts of one revision, ever or inside a sliding Window that ends when the task ended; Delay (5 s by default)
// between a task's end and the start of the next. In two points it differs, on purpose:
//   - A task that was moved (drained or lost node, broken constraint) used none of its attempts.
//   - Backoff against crash loops: from the third short run in a row on the delay doubles, up to five minutes, and
//     starts over after a run of at least a minute. Only the default delay grows: a Delay that was asked for is kept
//     to, however short.
//
// Invariants: a decision depends on the end of the task and on stored rows, not on when it is asked for, so that a
// second look, or a new leader, decides the same.
//
// Callers may not assume that more than [MaxRecent] restarts are remembered for a policy with a window; a higher
// MaxAttempts counts as that many.
package restart

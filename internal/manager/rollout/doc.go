// Package rollout decides how a service goes from one revision to the next: when an update starts, how many slots are
// in work, what a failure leads to and when it is over.
//
// It is a pure helper of the orchestrator: it turns a Rollout row and counts into the next Rollout row and writes
// nothing itself. The rules are those of swarm mode:
//   - A slot takes one of Parallelism places from the moment its new task is made until that task ran, or failed to,
//     and Delay has passed since. Places are filled one by one, never by the batch.
//   - A failure is a task the update made that completes, fails or is rejected before it has run for Monitor. When
//     failures exceed MaxFailureRatio of the slots to update, the update pauses, goes back to the revision before, or
//     goes on.
//   - An update is complete one Monitor after its last slot was done. Asking for a revision whose tasks need not be
//     replaced starts no update.
//   - A rollback never rolls back; it pauses.
//
// Callers may not assume that a row returned differs from the one given: they compare.
package rollout

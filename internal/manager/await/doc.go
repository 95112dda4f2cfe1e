// Package await holds what services depend on (package model/dependency) against the tables: whether it holds, what is
// missing, and whether services wait for each other in a circle.
//
// It is a pure helper of scheduler, orchestrator and api; it reads Service, ServiceRevision, Rollout, Task, Slot and
// TaskStatus, and writes nothing. What counts of a service are its slots:
//   - service_started: a task of the slot that is wanted runs, or its container has started and is not healthy yet. A slot
//     that has come to rest with a task that completed has started, too.
//   - service_healthy: a task of the slot that is wanted runs, which with a healthcheck means that it is healthy.
//   - service_completed_successfully: of a job, a task of the present iteration has completed; of another service, the slot
//     has come to rest, by its restart policy, with a task of the active revision that completed.
//
// Of a job a slot that completed counts for all three. A service of which no task is wanted holds; one that is not there does
// not, and neither does one of a job's iterations that nobody has begun.
//
// Invariants: an answer is derived from the rows of one view, so that every manager gives the same, and a new leader too.
//
// Callers may not assume that what held once still does.
package await

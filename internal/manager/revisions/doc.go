// Package revisions deletes the service revisions nobody names any more. It writes ServiceRevision, with the api,
// whose table it is: the api only ever adds revisions, this planner only ever deletes them.
//
// It reads Service (Revision, Previous), Rollout (Asked, Active, Previous) and Task.
//
// Invariants: a revision that a service, its rollout or one of its tasks names is kept; so is every revision of a
// service whose rollout has not caught up with what is asked, because tasks of an older one may be under way.
//
// Callers may not assume that a revision is gone as soon as its last task is.
package revisions

// Package forecast says what becomes of writes before they are made: it applies them to a copy of the state and has the
// manager's own planners decide over it until they rest.
//
// It reads all tables and writes none: what it writes goes into a copy that nobody else sees. In the place of the nodes'
// agents stands the simplest there is (agents.go): what is placed on a node that is heard is started, runs, and ends as
// soon as it is asked to, or as a job's task has run. Time passes in jumps, from one moment a planner waits for to the next.
//
// Invariants: the same state, time and writes give the same outcome; the view that a forecast began with never changes;
// a forecast ends, after [maxRounds] at the latest, and says where it had come to.
//
// Callers may not take it for more than it is. It is of the state it began with: what others write, or a node that goes,
// changes it. No task of it fails, and all take the same time to start, so that a rolling update of several services that
// compete for room may go another way. What the orchestrator asks of nobody, such as whether an image can be pulled, it
// does not know.
package forecast

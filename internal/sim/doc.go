// Package sim runs a whole cluster in one thread from a seed: the replicated log, the store, every stage of the
// manager, the dispatcher, the agents, and simulated engines, the same code that runs in production. Time is virtual;
// what happens at the same moment, how long a write or a message takes, which user asks for what, and what breaks is
// drawn from the seed.
//
// It owns no table; it writes as the api does. [Run] is one run; it returns the hash of the change log, which is the
// same for the same seed and build.
//
// Invariants it checks after every event (invariants.go): what was committed stays as it was; what was acknowledged is
// not lost; no task moves backwards; a container is stopped or removed only when no row wants it; no slot runs twice;
// nothing of a task runs a second time. And at the end, when faults and users have been quiet for a while
// (settle.go): every service has what is asked of it, nothing else runs, nothing is written any more.
//
// Callers may not assume that a seed means the same in another build: a change of one decision changes all that follow.
package sim

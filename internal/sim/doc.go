// Package sim runs a whole cluster in one thread from a seed: one, three or five managers with the replicated log, the
// store, every stage and the dispatcher on whichever leads, the agents, and simulated engines, the same code that runs
// in production. Time is virtual; what happens at the same moment, how long a write or a message takes, which user asks
// which manager for what, and what breaks is drawn from the seed.
//
// What breaks: managers, agents and whole hosts are killed, lose their power (their logs lose what was not synced, a
// part of a write is torn off) or freeze; the network is cut, one way too, loses, repeats, overtakes and delays; disks
// are slow or full; clocks are apart; leadership changes at any time, is contested, or is
// taken from one who does not hear of it; engines go, containers end and vanish.
//
// That it finds what it is there to find is shown with bugs planted between the parts (bugs.go). Three managers, each is
// found within 200 seeds; the first seed that did, when this was written:
//
//	an fsync is dropped                                    2
//	a write counts as durable while it is under way        2
//	entries are applied out of order                       1
//	a member passes over an entry                          1
//	entries are stamped by the member that applies them    1
//	a write is answered before it is committed             1
//	a write of unknown outcome is tried again              1
//	reads do not ask the quorum                            1
//	a slot gets two tasks                                  1
//	an old report is written again                         1
//	a node's tasks are given to another node, too          2
//	a change of assignments is not sent                    3
//	a node says that it balances no more before that is so 1
//	an endpoint's change is not sent                       1
//	a member forgets whom it voted for                     4
//	the agent takes a deposed leader's assignments         9
//	a job's slot gets a task when the next one begins      1
//
// With [Options.Depend] services depend on others, some of which are not there or fail for good: those that wait say for what in the
// end, and all others run (depend.go).
//
// What is not simulated as it is in production: a request's way through a manager (manager.Front and the calls
// between managers use goroutines; calls.go does the same in events), an agent's search for the leader (session.go), and
// certificates. The group of managers does not change after its founding.
//
// It owns no table; it writes as the api does. [Run] is one run; it returns the hash of the change log, which is the
// same for the same seed and build.
//
// Invariants it checks after every event:
//   - Of a term there is one leader; every member applies the same entries, and at the same index has the same tables
//     (reference.go).
//   - No task moves backwards, nor does what is wanted or reported of it; a slot has one task that is wanted running,
//     or two where one is started first; a container is stopped or removed only when no row wants it; no slot runs
//     twice but where a node was taken for down; nothing of a task runs a second time (invariants.go).
//   - Of a job no more is wanted at once and in all than asked for, and a slot that completed is not run again in an
//     iteration (jobs.go).
//   - No address is given to two; a node is told of no network that it has nothing on; no task is told to stop while a
//     connected node that answers balances to it, but after two seconds (reach.go). The data planes are as of what they
//     are told some time after (dataplane.go): no packet is sent.
//
// And at the end, when faults and users have been quiet for two minutes: within three more all managers agree, every
// service has what is asked of it, nothing else runs, every node's data plane balances to what is healthy and to nothing
// else, and then nothing is written any more (settle.go). What users were
// told came about, at the index that was answered; what they were told failed did not; and what they read and wrote is
// linearizable (history.go).
//
// Callers may not assume that a seed means the same in another build: a change of one decision changes all that follow.
package sim

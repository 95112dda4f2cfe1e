// Package logs brings the output of tasks to whoever asked for it: one stream of lines, each with its task, its time
// and its stream, of all the containers a service has and gets, on whatever node they are.
//
// [Cluster] is a manager's source: it reads its own node's containers itself and has a [Relayer] ask the others. [Desk]
// is the relayer: it sends the request by way of the leader, and the node attaches a stream to it, so that workers need
// no port that managers can reach. [Porter] is the node's end. The connections between them are the caller's.
//
// It reads services, tasks, placements, statuses and node states and writes no table.
//
// Invariants:
//   - What cannot be had is told in the stream as a message with Err, and the rest is shown: a node once for each time
//     that it cannot be asked, a task once.
//   - A slow reader slows the containers' streams down and loses nothing; a node holds one message of each container
//     that it reads, and what its sink has room for.
//   - When following, a node that was lost is asked again when it is back, from the newest line shown on.
//   - When the stream is closed, nothing of it runs on; a node that is not told notices when it next has something to
//     send, or within a quarter of a minute.
//   - A node hands in only the streams it was asked for.
//
// Callers may not assume any order between lines of different tasks.
package logs

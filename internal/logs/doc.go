// Package logs brings the output of tasks to whoever asked for it: one stream of lines, each with its task, its time
// and its stream, of all the containers a service has and gets.
//
// It reads tasks, placements and statuses and writes no table. The output itself comes from the executor of the node
// the container is on.
//
// Invariants: what cannot be had is told in the stream as a message with Err, and the rest is shown; a slow reader
// slows the containers' streams down and loses nothing; when the stream is closed, nothing of it runs on.
//
// Callers may not assume any order between lines of different tasks.
package logs

// Package crash shows what becomes of services when skep or the engine beneath it ends at a moment nobody chose.
//
// The daemon is the real program, run beside a private engine, killed with SIGKILL and started again while clients
// create, scale, update and remove services. The seed of a run is printed; run it again with -crash.seed (the clients'
// timing is the machine's, so a seed repeats the decisions, not the moments). -crash.kills says how often.
//
// It reads and writes no table: it sees what a user sees, the API and the engine. What it holds a run to:
//   - What was acknowledged holds: each service's spec is, at any time, the one acknowledged last or the one under way,
//     and its version never falls.
//   - No task has more than one container, and none is started twice, ever.
//   - Containers of a service nobody touched keep their ids and start times.
//   - At the end the engine runs one container for each wanted task, as its spec says, and nothing else; every task that
//     is to run runs, every other has ended; every container that is left belongs to a task.
//
// Callers may not assume that a run that passes has seen every moment: fifty kills are a sample.
package crash

// Package differential runs one script against Docker's swarm mode and against
// skep and compares, line by line, what a user sees.
//
// A scenario is a file in testdata, read by cockroachdb/datadriven. Its recorded
// output is Docker's; `go test -rewrite` records it anew. By default the test runs
// skep and holds it against the recording, where the installed engine and CLI are
// those of the recording; with -side=both, and with any other Docker, it runs both
// sides live. It fails with a unified diff where they disagree. Directives:
//
//	sh [sort] [tail=n]     shell lines with the stock docker CLI; output, stderr, exit code
//	api [names] [only=m]   "METHOD /path?filters={…}", then headers and the body; status code and JSON body
//	let NAME               one shell line; its output becomes $NAME (sh) and ${NAME} (api)
//	until                  repeats a shell line until its output matches a regexp
//	running NAME=n …       waits until exactly n tasks of the services run
//	gone NAME …            waits until no container of the services is left
//	stopped NAME …         waits until no container of the services runs
//	init                   switches swarm mode on, on loopback
//	… differs=name         the whole step may, and has to, differ
//	known name [sometimes] regexps of lines that may differ
//
//	later                  why this scenario is recorded but not yet held against skep
//	documented             what Docker's documentation says, where its side cannot run here: its outputs are skep's, read by a person
//	long                   why only make differential runs this scenario
//
// Names are those of differences.txt, the list of all that is meant to differ, which docs/compatibility.md shows too.
// Answers to api steps are also held against the API's description of their version, and uncovered.txt lists what of the
// descriptions no step touches.
//
// What is random or measured is replaced before comparing: ids become <id1> in
// order of appearance, version indexes <v1> by rank per object, and times,
// durations, digests, tokens and addresses the script did not name itself
// become words.
//
// It reads and writes no tables. Invariants: a known difference must be in the
// list and must occur (unless: sometimes), or the scenario fails; a wait that does not come true
// ends the side's run and fails. A caller may not assume that Docker's side gives
// the same output with another engine or CLI than the one recorded with; only the
// comparison is meant to hold for all.
package differential

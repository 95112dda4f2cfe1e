// Package stacks deploys the stack files of testdata/stacks on a lab of five hosts with the stock docker CLI, sees that
// each does what it is for, changes it, sees that only what was changed is replaced, removes it and sees that nothing is
// left. Then it does so again.
//
// A stack is a directory: stack.yml, the files it names, and trial.txt, one step a line:
//
//	run LINE                        a shell's line on m1, in the stack's directory, that has to succeed
//	undo LINE                       the same, after the stack was removed
//	deploy [NAME=VALUE …]           docker stack deploy with this environment, until everything runs
//	settled                         until everything runs
//	see WHERE: WHAT => REGEXP       repeated until it succeeds with this output
//	fails WHERE: WHAT => REGEXP     repeated until it fails with this output
//	replaced [SERVICE …]            since the last time, the tasks of these services were replaced and no other was touched
//	added SERVICE …                 since the last time, these services got more tasks and no other was touched
//
// WHERE is a host, whose WHAT is a shell's line; the name of a service, in one of whose containers the stand-in is asked
// WHAT; or client, a machine outside the cluster where it is. Images standin/NAME:TAG are all the program standin.
//
// The projects of testdata/projects are what people write for docker compose, some with images that are built. skep stack
// deploys them, and the same again, which touches nothing. Two more steps are for them, and deploy means skep stack deploy,
// with its flags after the environment:
//
//	same                            the last deployment once more changes nothing
//	refused REGEXP                  it is refused with these words, and changes nothing
//
// And skep stack is tried on a lab of its own: what it plans is what it does, what was deployed can be deployed again.
//
// It holds tests only; it reads and writes no table. Invariant: stacks that share the cluster at a time share no
// port, label or name. Callers may not assume that the tests run without root, nor that all stacks are tried without -all.
package stacks

// Package docker runs tasks on a plain Docker Engine, 20.10 or later, that is not in swarm mode itself.
//
// It reads and writes no table. What it keeps in memory (which container is a task's, what a pull came to a moment ago)
// only spares calls and is rebuilt from the engine; what must survive is in the containers' labels.
//
// Invariants: a container bears its task's labels from the moment it exists; it is created with every field of its spec
// or not at all (package translate); nothing but Stop and Remove ends one; secrets and configs lie in memory-backed
// files of the node, below one directory per task, and never elsewhere; one image is pulled, one network made, by one
// call at a time however many tasks wait for it.
//
// Callers may not assume that an error of Prepare left no container: List tells, and Prepare goes on where it stopped.
package docker

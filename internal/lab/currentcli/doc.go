// Package currentcli builds a current docker CLI from the Go module proxy, for tests that try it beside the one of the
// machine's Docker package. It is built in a module of its own and never linked into anything of skep.
//
// It reads and writes no table. Callers may not assume that it can be built: a machine without the Go module proxy gets an
// error, which is a reason to skip a test. The first build takes minutes.
package currentcli

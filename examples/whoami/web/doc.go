// Package web is the web server of skep's examples and tests: it tells where it runs and how it was asked, and can be
// told to be slow, unhealthy, talkative or to exit. examples/whoami is the program; skep has it too, so that a lab can
// be made where only skep is installed.
//
// It uses the standard library only, so that the program is small and runs in an image made from scratch. It reads and
// writes no table.
//
// Invariants: a server that is told to end answers the requests in progress and, for some seconds, whatever still comes
// on connections that clients keep, and tells them that it was the last answer. It ends with the last connection.
// Callers may not assume that [Run] returns: /exit ends the process, with the code it was asked for.
package web

// Package archtest fails the build when the architecture is broken: a package imports what lies above it, a decision
// asks the clock, a package keeps mutable state. Every failure names the rule's reason, because a rule whose reason
// nobody knows is worked around.
//
// It reads and writes no table; it reads the module's source. Invariants: tests and generated files are not judged; a
// package that has no place in [layers] is a failure, so that nobody forgets to give it one.
//
// Callers may not assume that code without findings is well made: size and taste are left to reviewers.
package archtest

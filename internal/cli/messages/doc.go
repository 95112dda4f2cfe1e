// Package messages reads what an engine says while it builds an image or pushes one.
//
// It reads and writes no table. Invariants: an error among the messages is the error of the whole. Callers may not assume that
// every engine says the same.
package messages

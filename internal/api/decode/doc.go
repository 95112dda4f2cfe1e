// Package decode reads request bodies: bounded, strict about types, lenient about fields it does not know.
// It reads and writes no tables.
//
// Invariants: a body over the limit is refused before it is parsed; Overlay keeps every field of the body
// that the typed form does not know. Callers may not assume that a body was sent as application/json: old
// clients and curl do not say so.
package decode

// Package httperr is the error of the Docker Engine API: a status code and one sentence, sent as
// {"message": "…"}. It reads and writes no tables.
//
// Invariant: an error that carries no status is answered 500, so that a mistake of ours never looks
// like the caller's. Callers may not assume that the text of a 500 is stable.
package httperr

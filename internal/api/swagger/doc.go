// Package swagger reads the published description of one version of the Docker Engine API, and tells of an
// answer where it does not fit, and of a request and its answer which of the description's elements they touch.
// The tests of the API and the comparison with Docker's swarm mode use it; the daemon does not. It reads and
// writes no tables.
//
// Invariants: a description is the one that the API module in go.mod carries; an element's name ("POST
// /services/create body Mode.Global") never depends on what was sent. A caller may not assume that an answer with
// a member missing is noticed: nearly none is required by the descriptions.
package swagger

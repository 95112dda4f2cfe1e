// Package privilege is what a service may ask for beyond Docker's specs, by labels of its own under "skep.", and the
// policy of the cluster that allows it.
//
// It is pure: it reads and writes no table; the policy is kept in the Cluster row. Invariants: a label under "skep." is
// understood or refused, never ignored, but for those of packages dependency and placement; what no rule allows is refused, and the error
// names the policy.
//
// Callers may not assume that an allowed service stays so: a rule may be taken back while the service's tasks run. Each
// node asks again before it makes a container.
package privilege

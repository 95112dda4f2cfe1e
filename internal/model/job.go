package model

import "github.com/moby/moby/api/types/swarm"

// IsJob reports whether a service's tasks run to completion instead of for ever.
func IsJob(m swarm.ServiceMode) bool { return m.ReplicatedJob != nil || m.GlobalJob != nil }

// JobSize is how many tasks of a replicated job run at once, and how many are to complete: one, and as many as run at
// once, where the spec does not say. So it is in Docker.
func JobSize(job *swarm.ReplicatedJob) (concurrent, total uint64) {
	concurrent = 1
	if job.MaxConcurrent != nil {
		concurrent = *job.MaxConcurrent
	}
	if total = concurrent; job.TotalCompletions != nil {
		total = *job.TotalCompletions
	}
	return concurrent, total
}

// ModeName is what Docker calls a service's mode.
func ModeName(m swarm.ServiceMode) string {
	switch {
	case m.Global != nil:
		return "global"
	case m.ReplicatedJob != nil:
		return "replicated-job"
	case m.GlobalJob != nil:
		return "global-job"
	}
	return "replicated"
}

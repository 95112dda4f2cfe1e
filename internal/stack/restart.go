package stack

import (
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/swarm"
)

// restartPolicy is that of deploy, or else what an older key asks for.
func (s *service) restartPolicy() *swarm.RestartPolicy {
	if p := s.Deploy.RestartPolicy; p != nil {
		if s.Restart != "" {
			s.note("restart", "deploy.restart_policy counts, and this does not")
		}
		return &swarm.RestartPolicy{Condition: swarm.RestartPolicyCondition(p.Condition), Delay: duration(p.Delay),
			MaxAttempts: p.MaxAttempts, Window: duration(p.Window)}
	}
	policy, times, limited := strings.Cut(s.Restart, ":")
	var attempts *uint64
	if limited {
		n, err := strconv.ParseUint(times, 10, 32)
		if err != nil {
			s.refuse("restart", "%q is no number of attempts", times)
		}
		if n > 0 {
			attempts = &n
		}
	}
	switch policy {
	case "":
		return nil
	case "no":
		if s.awaited() != "" {
			s.note("restart", "read as deploy.restart_policy with condition: none")
			return &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone}
		}
		s.warn("restart", "a service of a cluster starts anew all the same: deploy.restart_policy with condition: none keeps it from that")
		return nil
	case "always", "unless-stopped":
		s.note("restart", "read as deploy.restart_policy with condition: any")
		return &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, MaxAttempts: attempts}
	case "on-failure":
		s.note("restart", "read as deploy.restart_policy with condition: on-failure")
		return &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionOnFailure, MaxAttempts: attempts}
	}
	s.refuse("restart", "%q is not one of no, always, unless-stopped and on-failure", s.Restart)
	return nil
}

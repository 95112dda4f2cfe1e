package stack

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/swarm"
)

func (s *service) mode() swarm.ServiceMode {
	replicas := s.replicas()
	switch s.Deploy.Mode {
	case "":
		if by := s.awaited(); by != "" {
			s.note("deploy.mode", "read as replicated-job, as %s waits for it to complete", by)
			return swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: replicas, TotalCompletions: replicas}}
		}
		return swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: replicas}}
	case "replicated":
		return swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: replicas}}
	case "replicated-job":
		return swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: replicas, TotalCompletions: replicas}}
	}
	if replicas != nil {
		s.refuse("deploy.replicas", "it and mode %s exclude each other", s.Deploy.Mode)
	}
	switch s.Deploy.Mode {
	case "global":
		return swarm.ServiceMode{Global: &swarm.GlobalService{}}
	case "global-job":
		return swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}
	}
	s.refuse("deploy.mode", "%q is not one of replicated, global, replicated-job and global-job", s.Deploy.Mode)
	return swarm.ServiceMode{}
}

func (s *service) replicas() *uint64 {
	n := s.Deploy.Replicas
	if n == nil {
		n = s.Scale
	}
	if n == nil {
		return nil
	}
	out := uint64(max(*n, 0)) //nolint:gosec // compose-go has refused a negative one
	return &out
}

func (s *service) endpointMode() swarm.ResolutionMode {
	mode := swarm.ResolutionMode(strings.ToLower(s.Deploy.EndpointMode))
	switch mode {
	case "", swarm.ResolutionModeVIP, swarm.ResolutionModeDNSRR:
	default:
		s.refuse("deploy.endpoint_mode", "%q is not one of vip and dnsrr", s.Deploy.EndpointMode)
	}
	return mode
}

func (s *service) placement() *swarm.Placement {
	p := s.Deploy.Placement
	out := &swarm.Placement{Constraints: p.Constraints, MaxReplicas: p.MaxReplicas}
	for _, preference := range p.Preferences {
		out.Preferences = append(out.Preferences, swarm.PlacementPreference{Spread: &swarm.SpreadOver{SpreadDescriptor: preference.Spread}})
	}
	if s.Platform != "" {
		parts := append(strings.Split(s.Platform, "/"), "")
		out.Platforms = []swarm.Platform{{OS: parts[0], Architecture: parts[1]}}
	}
	return out
}

func updateConfig(u *types.UpdateConfig) *swarm.UpdateConfig {
	if u == nil {
		return nil
	}
	out := &swarm.UpdateConfig{Parallelism: 1, Delay: time.Duration(u.Delay), FailureAction: swarm.FailureAction(u.FailureAction),
		Monitor: time.Duration(u.Monitor), MaxFailureRatio: u.MaxFailureRatio, Order: swarm.UpdateOrder(u.Order)}
	if u.Parallelism != nil {
		out.Parallelism = *u.Parallelism
	}
	return out
}

// resources are those of deploy, and those of keys that are older than it.
func (s *service) resources() *swarm.ResourceRequirements {
	out := &swarm.ResourceRequirements{}
	if l := s.Deploy.Resources.Limits; l != nil {
		out.Limits = &swarm.Limit{NanoCPUs: nano(float32(l.NanoCPUs)), MemoryBytes: int64(l.MemoryBytes), Pids: l.Pids}
	}
	if r := s.Deploy.Resources.Reservations; r != nil {
		out.Reservations = &swarm.Resources{NanoCPUs: nano(float32(r.NanoCPUs)), MemoryBytes: int64(r.MemoryBytes), GenericResources: generic(r)}
	}
	if s.CPUS != 0 || s.MemLimit != 0 || s.PidsLimit != 0 {
		if out.Limits == nil {
			out.Limits = &swarm.Limit{}
		}
		out.Limits.NanoCPUs = max(out.Limits.NanoCPUs, nano(s.CPUS))
		out.Limits.MemoryBytes = max(out.Limits.MemoryBytes, int64(s.MemLimit))
		out.Limits.Pids = max(out.Limits.Pids, s.PidsLimit)
	}
	if s.MemReservation != 0 {
		if out.Reservations == nil {
			out.Reservations = &swarm.Resources{}
		}
		out.Reservations.MemoryBytes = max(out.Reservations.MemoryBytes, int64(s.MemReservation))
	}
	s.swap(out)
	return out
}

// swap is the difference of two limits in a file, and a number of its own in swarm.
func (s *service) swap(r *swarm.ResourceRequirements) {
	if s.MemSwappiness != 0 {
		n := int64(s.MemSwappiness)
		r.MemorySwappiness = &n
	}
	if s.MemSwapLimit == 0 {
		return
	}
	n := int64(s.MemSwapLimit)
	switch {
	case r.Limits == nil || r.Limits.MemoryBytes == 0:
		s.refuse("memswap_limit", "it needs a limit of the memory: write deploy.resources.limits.memory")
		return
	case n < 0:
		n = -1
	case n < r.Limits.MemoryBytes:
		s.refuse("memswap_limit", "it counts memory and swap together, so it cannot be below the memory's limit")
		return
	default:
		n -= r.Limits.MemoryBytes
	}
	r.SwapBytes = &n
}

func generic(r *types.Resource) []swarm.GenericResource {
	var out []swarm.GenericResource
	for _, g := range r.GenericResources {
		var one swarm.GenericResource
		if d := g.DiscreteResourceSpec; d != nil {
			one.DiscreteResourceSpec = &swarm.DiscreteGenericResource{Kind: d.Kind, Value: d.Value}
		}
		out = append(out, one)
	}
	return slices.Clip(out)
}

// nano are the billionths that a number of processors is written as: compose-go keeps it in few bits, of which the shortest
// number that has the same ones is what the file has.
func nano(cpus float32) int64 {
	exact, ok := new(big.Rat).SetString(strconv.FormatFloat(float64(cpus), 'f', -1, 32))
	if !ok {
		return 0
	}
	exact.Mul(exact, big.NewRat(1e9, 1))
	return new(big.Int).Quo(exact.Num(), exact.Denom()).Int64()
}

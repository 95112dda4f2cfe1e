package model

import (
	"testing"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
)

func baseSpec() *swarm.ServiceSpec {
	replicas := uint64(2)
	return &swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: "web", Labels: map[string]string{"a": "1"}},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "web:1", Env: []string{"A=1"}}},
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeVIP},
	}
}

// TestFingerprint: tasks are replaced for what they are made of, and for nothing else.
func TestFingerprint(t *testing.T) {
	base := Fingerprint(baseSpec())
	for name, c := range map[string]struct {
		change  func(*swarm.ServiceSpec)
		replace bool
	}{
		"nothing":        {func(*swarm.ServiceSpec) {}, false},
		"replicas":       {func(s *swarm.ServiceSpec) { n := uint64(9); s.Mode.Replicated.Replicas = &n }, false},
		"service labels": {func(s *swarm.ServiceSpec) { s.Labels = map[string]string{"b": "2"} }, false},
		"update config":  {func(s *swarm.ServiceSpec) { s.UpdateConfig = &swarm.UpdateConfig{Parallelism: 3, Delay: time.Second} }, false},
		"rollback":       {func(s *swarm.ServiceSpec) { s.RollbackConfig = &swarm.UpdateConfig{Parallelism: 3} }, false},
		"placement": {func(s *swarm.ServiceSpec) {
			s.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"node.role==manager"}, MaxReplicas: 2}
		}, false},
		"image":  {func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = "web:2" }, true},
		"env":    {func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Env = []string{"A=2"} }, true},
		"force":  {func(s *swarm.ServiceSpec) { s.TaskTemplate.ForceUpdate++ }, true},
		"name":   {func(s *swarm.ServiceSpec) { s.Name = "api" }, true},
		"labels": {func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Labels = map[string]string{"a": "2"} }, true},
		"network": {func(s *swarm.ServiceSpec) {
			s.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: "net"}}
		}, true},
		"resources": {func(s *swarm.ServiceSpec) {
			s.TaskTemplate.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{Pids: 7}}
		}, true},
		"restart policy": {func(s *swarm.ServiceSpec) {
			s.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone}
		}, true},
		"ports": {func(s *swarm.ServiceSpec) {
			s.EndpointSpec.Ports = []swarm.PortConfig{{Protocol: network.TCP, TargetPort: 80, PublishedPort: 8080}}
		}, true},
	} {
		spec := baseSpec()
		c.change(spec)
		if got := Fingerprint(spec) != base; got != c.replace {
			t.Errorf("%s: tasks are replaced: %v, want %v", name, got, c.replace)
		}
	}
}

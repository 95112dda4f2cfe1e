package stack

import (
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/model/placement"
)

// dependsOn writes what the service waits for as labels, by which the managers hold its tasks back.
func (s *service) dependsOn(labels map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(s.DependsOn)) {
		asked := s.DependsOn[name]
		other, there := s.Project.Services[name]
		if !there {
			s.note("depends_on", "%s is not deployed, and not required: nothing waits for it", name)
			continue
		}
		d := dependency.Dependency{Service: name, Condition: dependency.Condition(asked.Condition)}
		if d.Condition == dependency.Completed && !ends(other) {
			s.refuse("depends_on", "%s never completes, as its tasks are started again whenever they end: give it deploy.mode: replicated-job", name)
		}
		label, value := d.Label()
		if written := labels[label]; written != "" && written != value {
			s.refuse("depends_on", "the service has the label %s=%s as well: leave one out", label, written)
			continue
		}
		labels[label] = value
	}
	for _, check := range []func(map[string]string) error{dependency.Check, placement.Check} {
		if err := check(labels); err != nil {
			s.refuse("deploy.labels", "%s", err)
		}
	}
}

// ends reports whether a service's tasks come to an end for good.
func ends(s types.ServiceConfig) bool {
	d := s.Deploy
	if d == nil {
		d = &types.DeployConfig{}
	}
	policy, _, limited := strings.Cut(s.Restart, ":")
	switch {
	case d.Mode == "replicated-job" || d.Mode == "global-job":
		return true
	case runsOnce(d): // it becomes a job, unless that is not what it says
		return policy != "always" && policy != "unless-stopped" || limited
	case d.RestartPolicy != nil:
		policy, limited = d.RestartPolicy.Condition, d.RestartPolicy.MaxAttempts != nil
	}
	return policy == "none" || policy == "on-failure" || limited
}

// runsOnce reports whether a service can be made a job.
func runsOnce(d *types.DeployConfig) bool {
	return d.Mode == "" && d.UpdateConfig == nil && d.RollbackConfig == nil
}

// awaited is one of the services that wait for this one to complete, where that makes it a job; none: nobody does.
func (s *service) awaited() string {
	if !runsOnce(s.Deploy) {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(s.Project.Services)) {
		if d, asked := s.Project.Services[name].DependsOn[s.name]; asked && dependency.Condition(d.Condition) == dependency.Completed {
			return name
		}
	}
	return ""
}

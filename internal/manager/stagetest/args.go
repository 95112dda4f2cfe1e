package stagetest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model/dependency"
)

// setSpec applies a script's arguments to a spec. Those of an update start with "update-", of a rollback "rollback-",
// of the restart policy "restart-".
func setSpec(spec *swarm.ServiceSpec, args []datadriven.CmdArg) error {
	for _, a := range args {
		value := strings.Join(a.Vals, ",")
		if err := setOne(spec, a.Key, value); err != nil {
			return fmt.Errorf("%s=%s: %w", a.Key, value, err)
		}
	}
	return nil
}

func setOne(spec *swarm.ServiceSpec, key, value string) (err error) {
	// The spec's parts are shared with a stored row: each is copied before it changes.
	if rest, ok := strings.CutPrefix(key, "update-"); ok {
		spec.UpdateConfig, err = setUpdate(spec.UpdateConfig, rest, value)
		return err
	}
	if rest, ok := strings.CutPrefix(key, "rollback-"); ok {
		spec.RollbackConfig, err = setUpdate(spec.RollbackConfig, rest, value)
		return err
	}
	if rest, ok := strings.CutPrefix(key, "restart-"); ok {
		spec.TaskTemplate.RestartPolicy, err = setRestart(spec.TaskTemplate.RestartPolicy, rest, value)
		return err
	}
	switch key {
	case "replicas":
		n, err := strconv.ParseUint(value, 10, 64)
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &n}
		return err
	case "global":
		spec.Mode.Global = &swarm.GlobalService{}
	case "global-job":
		spec.Mode.GlobalJob = &swarm.GlobalJob{}
	case "concurrent", "completions":
		n, err := strconv.ParseUint(value, 10, 64)
		job := swarm.ReplicatedJob{}
		if spec.Mode.ReplicatedJob != nil {
			job = *spec.Mode.ReplicatedJob
		}
		if key == "concurrent" {
			job.MaxConcurrent = &n
		} else {
			job.TotalCompletions = &n
		}
		spec.Mode.ReplicatedJob = &job
		return err
	case "image":
		c := *spec.TaskTemplate.ContainerSpec
		c.Image = value
		spec.TaskTemplate.ContainerSpec = &c
	case "force":
		spec.TaskTemplate.ForceUpdate++
	case "label":
		spec.Labels = map[string]string{"label": value}
	case "after":
		spec.Labels = setAfter(spec.Labels, value)
	case "constraint":
		spec.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{strings.Replace(value, ":", "==", 1)}}
	case "cpus", "memory", "generic":
		var reserved swarm.Resources
		if r := spec.TaskTemplate.Resources; r != nil {
			reserved = *r.Reservations
		}
		err = setAmount(&reserved, key, value)
		spec.TaskTemplate.Resources = &swarm.ResourceRequirements{Reservations: &reserved}
		return err
	default:
		return fmt.Errorf("unknown argument")
	}
	return nil
}

// setAfter makes services of a list SERVICE:CONDITION, the condition without its "service_", all that a service depends on.
func setAfter(old map[string]string, list string) map[string]string {
	labels := map[string]string{}
	for k, v := range old {
		if !dependency.Owns(k) {
			labels[k] = v
		}
	}
	for item := range strings.SplitSeq(list, ",") {
		name, condition, _ := strings.Cut(item, ":")
		label, text := dependency.Dependency{Service: name, Condition: dependency.Condition("service_" + condition)}.Label()
		labels[label] = text
	}
	return labels
}

// setAmount sets one of what a node offers or a task reserves.
func setAmount(r *swarm.Resources, key, value string) (err error) {
	switch key {
	case "cpus":
		r.NanoCPUs, err = strconv.ParseInt(value, 10, 64)
		r.NanoCPUs *= 1e9
	case "memory":
		r.MemoryBytes, err = strconv.ParseInt(value, 10, 64)
	case "generic":
		r.GenericResources, err = Generic(value)
	}
	return err
}

// Generic reads generic resources: "ssd:2,gpu/a,gpu/b" are two of a kind that is counted and two values of another.
func Generic(text string) (list []swarm.GenericResource, err error) {
	for _, item := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		if kind, value, ok := strings.Cut(item, "/"); ok {
			list = append(list, swarm.GenericResource{NamedResourceSpec: &swarm.NamedGenericResource{Kind: kind, Value: value}})
			continue
		}
		kind, count, _ := strings.Cut(item, ":")
		n, err := strconv.ParseInt(count, 10, 64)
		if err != nil {
			return nil, err
		}
		list = append(list, swarm.GenericResource{DiscreteResourceSpec: &swarm.DiscreteGenericResource{Kind: kind, Value: n}})
	}
	return list, nil
}

func setUpdate(old *swarm.UpdateConfig, key, value string) (*swarm.UpdateConfig, error) {
	u := swarm.UpdateConfig{Parallelism: 1}
	if old != nil {
		u = *old
	}
	var err error
	switch key {
	case "parallelism":
		u.Parallelism, err = strconv.ParseUint(value, 10, 64)
	case "delay":
		u.Delay, err = time.ParseDuration(value)
	case "monitor":
		u.Monitor, err = time.ParseDuration(value)
	case "failure-action":
		u.FailureAction = swarm.FailureAction(value)
	case "max-failure-ratio":
		var f float64
		f, err = strconv.ParseFloat(value, 32)
		u.MaxFailureRatio = float32(f)
	case "order":
		u.Order = swarm.UpdateOrder(value)
	default:
		err = fmt.Errorf("unknown argument")
	}
	return &u, err
}

func setRestart(old *swarm.RestartPolicy, key, value string) (*swarm.RestartPolicy, error) {
	p := swarm.RestartPolicy{}
	if old != nil {
		p = *old
	}
	var err error
	var d time.Duration
	switch key {
	case "condition":
		p.Condition = swarm.RestartPolicyCondition(value)
	case "delay":
		d, err = time.ParseDuration(value)
		p.Delay = &d
	case "window":
		d, err = time.ParseDuration(value)
		p.Window = &d
	case "max-attempts":
		var n uint64
		n, err = strconv.ParseUint(value, 10, 64)
		p.MaxAttempts = &n
	default:
		err = fmt.Errorf("unknown argument")
	}
	return &p, err
}

package revision

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/plan"
)

// Revision is a stack as it was deployed.
type Revision struct {
	Number int       `json:"-"`
	At     time.Time `json:"-"`
	ID     string    `json:"-"` // of the config that keeps it
	Err    string    `json:"-"` // why it cannot be read; then there is nothing more

	Format  int
	By      string      `json:",omitempty"` // who deployed it, and where
	Message string      `json:",omitempty"`
	Stack   stack.Stack // without what secrets and configs hold
}

// format is what this build writes and reads.
const format = 1

// New is the revision of a plan that was carried out.
func New(p *plan.Plan, by, message string) Revision {
	return Revision{Format: format, By: by, Message: message, Stack: *p.Stack}
}

// maxSize is swarm's limit of a config.
const maxSize = 1000 << 10

// Config is what keeps the revision under a number.
func (r Revision) Config(number int) (swarm.ConfigSpec, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return swarm.ConfigSpec{}, fmt.Errorf("revision %d of stack %s cannot be written down: %w", number, r.Stack.Name, err)
	}
	if len(raw) >= maxSize {
		return swarm.ConfigSpec{}, fmt.Errorf("the services of stack %s take %d bytes to write down, and a config has to stay below %d", r.Stack.Name, len(raw), maxSize)
	}
	spec := swarm.ConfigSpec{Data: raw}
	spec.Name = name(r.Stack.Name, number)
	spec.Labels = map[string]string{stack.LabelNamespace: r.Stack.Name, stack.LabelRevision: strconv.Itoa(number)}
	return spec, nil
}

// maxName is how long the name of a config may be.
const maxName = 64

// name is one that no config of a file gets: those of a stack begin with its name and a line below.
func name(of string, number int) string {
	suffix := ".revision." + strconv.Itoa(number)
	return of[:min(len(of), maxName-len(suffix))] + suffix
}

// Of are a stack's revisions among the cluster's configs, the oldest first.
func Of(stackName string, configs []swarm.Config) []Revision {
	var out []Revision
	for _, c := range configs {
		number, err := strconv.Atoi(c.Spec.Labels[stack.LabelRevision])
		if err != nil || c.Spec.Labels[stack.LabelNamespace] != stackName {
			continue
		}
		r := read(c.Spec.Data)
		r.Number, r.At, r.ID = number, c.CreatedAt, c.ID
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Revision) int { return cmp.Compare(a.Number, b.Number) })
	return out
}

func read(raw []byte) Revision {
	var r Revision
	if err := json.Unmarshal(raw, &r); err != nil {
		return Revision{Err: "it cannot be read: " + err.Error()}
	}
	if r.Format != format {
		return Revision{Err: fmt.Sprintf("it was written by another version of skep, in format %d", r.Format)}
	}
	return r
}

// Next is the number after those there are.
func Next(all []Revision) int {
	if len(all) == 0 {
		return 1
	}
	return all[len(all)-1].Number + 1
}

// Same reports whether two revisions are of the same stack, whoever deployed them when.
func (r Revision) Same(o Revision) bool {
	a, errA := json.Marshal(r.Stack)
	b, errB := json.Marshal(o.Stack)
	return errA == nil && errB == nil && r.Err == "" && o.Err == "" && bytes.Equal(a, b)
}

// Again is the stack to be deployed again: as it was, with the images it had.
func (r Revision) Again() (*stack.Stack, plan.Options) {
	s := r.Stack
	s.Secrets, s.Configs = slices.Clone(s.Secrets), slices.Clone(s.Configs)
	for i := range s.Secrets {
		s.Secrets[i].Recorded = true
	}
	for i := range s.Configs {
		s.Configs[i].Recorded = true
	}
	o := plan.Options{Resolve: plan.ResolveNever, Resolved: map[string]plan.Image{}, Beside: fmt.Sprintf("not in revision %d", r.Number)}
	for _, spec := range s.Services {
		image := spec.TaskTemplate.ContainerSpec.Image
		o.Resolved[image] = plan.Image{Reference: image} // for the platforms the spec has
	}
	return &s, o
}

// Kept are the names of the secrets and configs that revisions refer to.
func Kept(all []Revision) map[string]bool {
	out := map[string]bool{}
	for _, r := range all {
		for _, s := range r.Stack.Secrets {
			out[s.Name] = true
		}
		for _, c := range r.Stack.Configs {
			out[c.Name] = true
		}
	}
	return out
}

package privilege

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// The privileges, as policies and labels name them.
const (
	Privileged  = "privileged"
	Devices     = "devices"
	GPUs        = "gpus"
	SecurityOpt = "security-opt"
	ShmSize     = "shm-size"
	HostIP      = "host-ip"
)

// Names lists the privileges in the order they are shown.
func Names() []string { return []string{Privileged, Devices, GPUs, SecurityOpt, ShmSize, HostIP} }

// Known reports whether there is such a privilege.
func Known(name string) bool { return slices.Contains(Names(), name) }

// Policy says which services may have which privilege: patterns of their names, by privilege. None means none.
type Policy map[string][]string

// Allows reports whether a rule lets a service have a privilege.
func (p Policy) Allows(name, service string) bool {
	return slices.ContainsFunc(p[name], func(pattern string) bool {
		matched, err := path.Match(pattern, service)
		return err == nil && matched
	})
}

// Check refuses what a service asks for and no rule allows. An error names the first of it, in the order of Names.
func (p Policy) Check(service string, s *Settings) error {
	for _, name := range Names() {
		if label := s.asked[name]; label != "" && !p.Allows(name, service) {
			return &RefusedError{Policy: name, Label: label, Service: service}
		}
	}
	return nil
}

// RefusedError is the error of Check.
type RefusedError struct{ Policy, Label, Service string }

func (r *RefusedError) Error() string {
	return fmt.Sprintf("policy %q does not allow service %s the label %s: skep policy allow %s --service %s lets it have that",
		r.Policy, r.Service, r.Label, r.Policy, r.Service)
}

// CheckPattern refuses a pattern that could match no service's name.
func CheckPattern(pattern string) error {
	if pattern == "" || strings.Contains(pattern, "/") {
		return fmt.Errorf("%q is no pattern of service names: write a name, with * and ? for what varies", pattern)
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("%q is no pattern of service names: %w", pattern, err)
	}
	return nil
}

// With returns a policy that allows a privilege to further patterns.
func (p Policy) With(name string, patterns ...string) Policy {
	out := maps.Clone(p)
	if out == nil {
		out = Policy{}
	}
	list := slices.Concat(p[name], patterns)
	slices.Sort(list)
	out[name] = slices.Compact(list)
	return out
}

// Without returns a policy that allows a privilege to these patterns no more; no patterns mean all of them. gone are those
// it had.
func (p Policy) Without(name string, patterns ...string) (out Policy, gone []string) {
	out = maps.Clone(p)
	var kept []string
	for _, have := range p[name] {
		if len(patterns) == 0 || slices.Contains(patterns, have) {
			gone = append(gone, have)
		} else {
			kept = append(kept, have)
		}
	}
	if len(kept) == 0 {
		delete(out, name)
	} else {
		out[name] = kept
	}
	return out, gone
}

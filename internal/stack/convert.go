package stack

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/skep-org/skep/internal/stack/finding"
)

// Input is a loaded project.
type Input struct {
	// Project has names of networks, volumes, secrets and configs only where a file gives one, and their contents.
	Project *types.Project
	// Hosts are the names of extra_hosts in the order a service lists them, which the project has forgotten.
	Hosts map[string][]string
	// NoBuild has services with build run the image they name, as it is in its registry.
	NoBuild bool
}

// Convert turns a project into a stack.
func Convert(in Input) (*Stack, []finding.Finding) {
	c := &converter{Input: in, stack: &Stack{Name: in.Project.Name}}
	c.objects()
	c.networks()
	for _, name := range slices.Sorted(maps.Keys(in.Project.Services)) {
		one := in.Project.Services[name]
		if one.Deploy == nil {
			one.Deploy = &types.DeployConfig{}
		}
		s := &service{converter: c, ServiceConfig: one, name: name}
		c.stack.Services = append(c.stack.Services, s.spec())
	}
	c.sharedBuilds()
	if len(in.Project.Services) == 0 {
		c.find(finding.Refused, []string{"services"}, "there is no service to deploy: none is written, or none is in a profile that is asked for")
	}
	return c.stack, finding.Sort(c.found)
}

// converter collects what is found on the way.
type converter struct {
	Input
	stack *Stack
	found []finding.Finding
}

func (c *converter) find(s finding.Severity, path []string, format string, args ...any) {
	c.found = append(c.found, finding.Finding{Severity: s, Path: path, Text: fmt.Sprintf(format, args...)})
}

// service is one on its way into a spec.
type service struct {
	*converter
	types.ServiceConfig
	name string
}

// at is the path of a key of the service, which has dots where it goes deeper.
func (s *service) at(key string, below ...string) []string {
	return slices.Concat([]string{"services", s.name}, strings.Split(key, "."), below)
}

func (s *service) note(key, format string, args ...any) {
	s.find(finding.Noted, s.at(key), format, args...)
}

func (s *service) warn(key, format string, args ...any) {
	s.find(finding.Warned, s.at(key), format, args...)
}

func (s *service) refuse(key, format string, args ...any) {
	s.find(finding.Refused, s.at(key), format, args...)
}

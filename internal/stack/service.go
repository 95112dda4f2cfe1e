package stack

import (
	"github.com/moby/moby/api/types/swarm"
)

// spec is the whole service.
func (s *service) spec() swarm.ServiceSpec {
	s.imageAndBuild()
	ports := s.ports()
	spec := swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: scoped(s.stack.Name, s.name), Labels: labelled(s.stack.Name, s.Deploy.Labels)},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: s.container(),
			LogDriver:     s.logDriver(),
			Resources:     s.resources(),
			RestartPolicy: s.restartPolicy(),
			Placement:     s.placement(),
			Networks:      s.attachments(),
		},
		EndpointSpec:   &swarm.EndpointSpec{Mode: s.endpointMode(), Ports: ports},
		Mode:           s.mode(),
		UpdateConfig:   updateConfig(s.Deploy.UpdateConfig),
		RollbackConfig: updateConfig(s.Deploy.RollbackConfig),
	}
	spec.Labels[LabelImage] = s.Image
	s.beyond(spec.Labels)
	s.dependsOn(spec.Labels)
	return spec
}

// imageAndBuild sees that there is an image, or will be one.
func (s *service) imageAndBuild() {
	switch {
	case s.Build != nil && s.NoBuild && s.Image == "":
		s.refuse("build", "the service has no image but what is built, and --no-build is given")
	case s.Build != nil && s.NoBuild:
		s.note("build", "it is not built, as --no-build says: the image %s runs as it is in its registry", s.Image)
	case s.Build != nil:
		s.buildIt()
	case s.Image == "" && s.Provider == nil:
		s.refuse("image", "the service has no image")
	}
	s.pullPolicy()
}

func (s *service) logDriver() *swarm.Driver {
	if s.Logging == nil {
		return nil
	}
	return &swarm.Driver{Name: s.Logging.Driver, Options: s.Logging.Options}
}

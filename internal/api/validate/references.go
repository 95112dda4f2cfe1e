package validate

import (
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
)

// references checks the form of secret and config references; whether they exist is the store's matter.
func references(spec *swarm.ServiceSpec) error {
	c := spec.TaskTemplate.ContainerSpec
	if c == nil {
		return nil
	}
	secrets := targets{kind: "secret", by: map[string]string{}}
	for _, ref := range c.Secrets {
		switch {
		case ref == nil || ref.SecretID == "" || ref.SecretName == "":
			return httperr.BadRequest("malformed secret reference")
		case ref.File == nil:
			return httperr.BadRequest("malformed secret reference, no target provided")
		}
		if err := secrets.take(ref.File.Name, ref.SecretName); err != nil {
			return err
		}
	}
	configs := targets{kind: "config", by: map[string]string{}}
	for _, ref := range c.Configs {
		if ref == nil || ref.ConfigID == "" || ref.ConfigName == "" {
			return httperr.BadRequest("malformed config reference")
		}
		if ref.File == nil {
			continue // used by the runtime, not as a file
		}
		if err := configs.take(ref.File.Name, ref.ConfigName); err != nil {
			return err
		}
	}
	return credentialConfig(c)
}

// credentialConfig holds the config that a credential spec names against those that the runtime gets.
func credentialConfig(c *swarm.ContainerSpec) error {
	if c.Privileges == nil || c.Privileges.CredentialSpec == nil || c.Privileges.CredentialSpec.Config == "" {
		return nil
	}
	id := c.Privileges.CredentialSpec.Config
	for _, ref := range c.Configs {
		if ref != nil && ref.ConfigID == id && ref.Runtime != nil {
			return nil
		}
	}
	return httperr.BadRequest("CredentialSpec references config '%s', but that config isn't in config references with RuntimeTarget", id)
}

// targets remembers which reference took which file.
type targets struct {
	kind string
	by   map[string]string
}

func (t targets) take(file, name string) error {
	if file == "" {
		return httperr.BadRequest("malformed %s reference, no target provided", t.kind)
	}
	if other, taken := t.by[file]; taken {
		return httperr.BadRequest("%s references '%s' and '%s' have a conflicting target: '%s'", t.kind, other, name, file)
	}
	t.by[file] = name
	return nil
}

// Unsupported says in a plain sentence what a valid spec asks for that skep does not do yet.
func Unsupported(spec *swarm.ServiceSpec) error {
	t := &spec.TaskTemplate
	switch {
	case t.Runtime == swarm.RuntimePlugin:
		return httperr.NotImplemented("services that install engine plugins are not supported by skep: install the plugin on each node with docker plugin install")
	case t.Runtime == swarm.RuntimeNetworkAttachment:
		return httperr.BadRequest("unsupported runtime") // the daemon itself makes such tasks
	}
	return nil
}

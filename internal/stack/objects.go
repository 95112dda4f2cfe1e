package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/stack/finding"
)

// Swarm's limits.
const (
	maxSecret = 500 << 10
	maxConfig = 1000 << 10
	maxName   = 64
)

// objects are the secrets and configs of the file, but for those that only services use which no profile has switched on.
func (c *converter) objects() {
	for _, key := range slices.Sorted(maps.Keys(c.Project.Secrets)) {
		o := types.FileObjectConfig(c.Project.Secrets[key])
		if !c.wanted(func(s types.ServiceConfig) bool {
			return slices.ContainsFunc(s.Secrets, func(r types.ServiceSecretConfig) bool { return r.Source == key })
		}) {
			continue
		}
		one := Secret{Object: c.object("secrets", key, o, maxSecret)}
		if !one.External {
			one.Spec = swarm.SecretSpec{Annotations: c.annotations(one.Object, o), Data: []byte(o.Content), Templating: driver(o.TemplateDriver, nil), Driver: driver(o.Driver, o.DriverOpts)}
		}
		c.stack.Secrets = append(c.stack.Secrets, one)
	}
	for _, key := range slices.Sorted(maps.Keys(c.Project.Configs)) {
		o := types.FileObjectConfig(c.Project.Configs[key])
		if !c.wanted(func(s types.ServiceConfig) bool {
			return slices.ContainsFunc(s.Configs, func(r types.ServiceConfigObjConfig) bool { return r.Source == key })
		}) {
			continue
		}
		one := Config{Object: c.object("configs", key, o, maxConfig)}
		if !one.External {
			one.Spec = swarm.ConfigSpec{Annotations: c.annotations(one.Object, o), Data: []byte(o.Content), Templating: driver(o.TemplateDriver, nil)}
		}
		c.stack.Configs = append(c.stack.Configs, one)
	}
}

// wanted reports whether an object is to be made: docker stack deploy makes unused ones as well.
func (c *converter) wanted(uses func(types.ServiceConfig) bool) bool {
	for _, s := range c.Project.Services {
		if uses(s) {
			return true
		}
	}
	for _, s := range c.Project.DisabledServices {
		if uses(s) {
			return false
		}
	}
	return true
}

func (c *converter) object(section, key string, o types.FileObjectConfig, limit int) Object {
	plain := scoped(c.stack.Name, key)
	if o.Name != "" {
		plain = o.Name
	}
	out := Object{Key: key, Plain: plain, Name: plain, External: bool(o.External)}
	if out.External || o.Driver != "" {
		return out
	}
	path := []string{section, key}
	if len(o.Content) == 0 || len(o.Content) >= limit {
		c.find(finding.Refused, path, "its content has %d bytes: it may not be empty, and has to stay below %d bytes", len(o.Content), limit)
	}
	if o.Name == "" {
		out.Name = plain + "-" + version(o)
	}
	if len(out.Name) > maxName || !fileName().MatchString(out.Name) {
		c.find(finding.Refused, path, "it would be called %s in the cluster: names have at most %d letters, digits, - _ and ., "+
			"and letters or digits at both ends; give it a name of its own with name:", out.Name, maxName)
	}
	return out
}

func fileName() *regexp.Regexp {
	return regexp.MustCompile(`^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?$`)
}

// version are ten digits of the content's digest. How a template is read is part of what a container gets.
func version(o types.FileObjectConfig) string {
	content := []byte(o.Content)
	if o.TemplateDriver != "" {
		content = append(content, "\x00"+o.TemplateDriver...)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])[:10]
}

func (c *converter) annotations(o Object, declared types.FileObjectConfig) swarm.Annotations {
	labels := labelled(c.stack.Name, declared.Labels)
	if o.Versioned() {
		labels[LabelObject] = o.Key
	}
	return swarm.Annotations{Name: o.Name, Labels: labels}
}

func driver(name string, options map[string]string) *swarm.Driver {
	if name == "" {
		return nil
	}
	return &swarm.Driver{Name: name, Options: options}
}

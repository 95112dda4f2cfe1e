package compose

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// byDriver marks secrets that a driver keeps: compose-go wants a file or a variable of each, which these have not.
const byDriver = "kept by a driver"

// project makes the typed project of a merged model, with the names the files give and no others.
func project(model map[string]any, details *types.ConfigDetails, options loadOptions, stack string) (*types.Project, error) {
	named := givenNames(model)
	for _, secret := range members(model, "secrets") {
		if secret["driver"] != nil && secret["file"] == nil && secret["environment"] == nil && secret["external"] == nil {
			secret["environment"] = byDriver
		}
	}
	for _, service := range members(model, "services") {
		if build, ok := service["build"].(map[string]any); ok && build["context"] == nil {
			build["context"] = details.WorkingDir // or it would be where the command is run
		}
		delete(service, "container_name") // or compose-go refuses one of many replicas; it is warned about, and means nothing here
	}
	model["name"] = projectName(stack)
	model, err := loader.Normalize(model, details.Environment)
	if err != nil {
		return nil, err
	}
	p, err := loader.ModelToProject(model, loader.ToOptions(details, options), *details)
	if err != nil {
		return nil, err
	}
	p.Name = stack
	onlyGiven(p, named)
	return p, contents(p)
}

// givenNames are the keys of the objects to which a file gives a name.
func givenNames(model map[string]any) map[string]bool {
	named := map[string]bool{}
	for _, section := range []string{"networks", "volumes", "secrets", "configs"} {
		for key, object := range members(model, section) {
			external, _ := object["external"].(bool)
			named[section+"."+key] = object["name"] != nil || external
		}
	}
	return named
}

func members(model map[string]any, section string) map[string]map[string]any {
	out := map[string]map[string]any{}
	all, _ := model[section].(map[string]any)
	for key, value := range all {
		if object, ok := value.(map[string]any); ok {
			out[key] = object
		}
	}
	return out
}

// onlyGiven takes the names away that compose-go has made: a stack makes its own. An external object keeps its name.
func onlyGiven(p *types.Project, named map[string]bool) {
	for key, n := range p.Networks {
		if !named["networks."+key] {
			n.Name = ""
			p.Networks[key] = n
		}
	}
	for key, v := range p.Volumes {
		if !named["volumes."+key] {
			v.Name = ""
			p.Volumes[key] = v
		}
	}
	for key, s := range p.Secrets {
		if !named["secrets."+key] {
			s.Name = ""
		}
		if s.Environment == byDriver {
			s.Environment = ""
		}
		p.Secrets[key] = s
	}
	for key, c := range p.Configs {
		if !named["configs."+key] {
			c.Name = ""
			p.Configs[key] = c
		}
	}
}

// contents reads the files of secrets and configs, and sees that the variables are there.
func contents(p *types.Project) error {
	var failed []error
	for key, s := range p.Secrets {
		content, err := content("secret", key, types.FileObjectConfig(s), p.Environment)
		s.Content = content
		p.Secrets[key] = s
		failed = append(failed, err)
	}
	for key, c := range p.Configs {
		content, err := content("config", key, types.FileObjectConfig(c), p.Environment)
		c.Content = content
		p.Configs[key] = c
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

func content(kind, key string, o types.FileObjectConfig, env types.Mapping) (string, error) {
	switch {
	case bool(o.External) || o.Driver != "":
		return "", nil
	case o.Environment != "":
		value, set := env[o.Environment]
		if !set {
			return "", fmt.Errorf("%s %s is to be the variable %s, which is not set", kind, key, o.Environment)
		}
		return value, nil
	case o.File != "":
		b, err := os.ReadFile(o.File)
		if err != nil {
			return "", fmt.Errorf("%s %s is to be the file %s, which cannot be read: %w", kind, key, Shown(o.File), unreadable(err))
		}
		return string(b), nil
	}
	return o.Content, nil
}

// hostOrder keeps what the typed project forgets. A mapping has no order: its names are sorted later.
func hostOrder(model map[string]any) map[string][]string {
	out := map[string][]string{}
	for name, service := range members(model, "services") {
		list, _ := service["extra_hosts"].([]any)
		for _, entry := range list {
			text := fmt.Sprint(entry)
			if end := strings.IndexAny(text, "=:"); end > 0 {
				out[name] = append(out[name], text[:end])
			}
		}
	}
	return out
}

package template

import (
	"errors"
	"fmt"
	"strings"
	"text/template"

	"github.com/moby/moby/api/types/swarm"
)

// Golang is the one template driver there is.
const Golang = "golang"

// PayloadContext is what the template of a config or secret sees.
type PayloadContext struct {
	Context
	spec             *swarm.ContainerSpec
	secrets, configs map[string][]byte
}

// NewPayloadContext is for the payloads of one task: its spec, whose environment is seen as written, and the data of the
// secrets and configs that it refers to, by their ids and as they were stored.
func NewPayloadContext(c Context, spec *swarm.ContainerSpec, secrets, configs map[string][]byte) *PayloadContext {
	return &PayloadContext{Context: c, spec: spec, secrets: secrets, configs: configs}
}

// Payload expands a payload by the driver that its config or secret names.
func (p *PayloadContext) Payload(driver string, data []byte) ([]byte, error) {
	if driver != Golang {
		return nil, errors.New("unrecognized template type")
	}
	out, err := expand(string(data), template.FuncMap{"env": p.env, "secret": p.secret, "config": p.config}, p)
	return []byte(out), err
}

// env is a variable of the task; one that it has not is empty.
func (p *PayloadContext) env(name string) string {
	for _, entry := range p.spec.Env {
		if key, value, ok := strings.Cut(entry, "="); ok && key == name {
			return value
		}
	}
	return ""
}

func (p *PayloadContext) secret(target string) (string, error) {
	for _, ref := range p.spec.Secrets {
		if ref == nil || ref.File == nil || ref.File.Name != target {
			continue
		}
		if data, ok := p.secrets[ref.SecretID]; ok {
			return string(data), nil
		}
	}
	return "", fmt.Errorf("secret target %s not found", target)
}

func (p *PayloadContext) config(target string) (string, error) {
	for _, ref := range p.spec.Configs {
		if ref == nil || ref.File == nil || ref.File.Name != target {
			continue
		}
		if data, ok := p.configs[ref.ConfigID]; ok {
			return string(data), nil
		}
	}
	return "", fmt.Errorf("config target %s not found", target)
}

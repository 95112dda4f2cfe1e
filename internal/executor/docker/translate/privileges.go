package translate

import (
	"fmt"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
)

func securityOpts(in Input, p *swarm.Privileges) ([]string, error) {
	if p == nil {
		return nil, nil
	}
	var opts []string
	if p.CredentialSpec != nil {
		opt, err := credentialSpec(in, p.CredentialSpec)
		if err != nil {
			return nil, err
		}
		opts = append(opts, opt)
	}
	opts = append(opts, selinuxOpts(p.SELinuxContext)...)
	if s := p.Seccomp; s != nil {
		switch s.Mode {
		case swarm.SeccompModeDefault, "":
		case swarm.SeccompModeUnconfined:
			opts = append(opts, "seccomp=unconfined")
		case swarm.SeccompModeCustom:
			opts = append(opts, "seccomp="+string(s.Profile))
		default:
			return nil, fmt.Errorf("unknown seccomp mode %q: it is default, unconfined or custom", s.Mode)
		}
	}
	if a := p.AppArmor; a != nil {
		switch a.Mode {
		case swarm.AppArmorModeDefault, "":
		case swarm.AppArmorModeDisabled:
			opts = append(opts, "apparmor=unconfined")
		default:
			return nil, fmt.Errorf("unknown AppArmor mode %q: it is default or disabled", a.Mode)
		}
	}
	if p.NoNewPrivileges {
		opts = append(opts, "no-new-privileges=true")
	}
	return opts, nil
}

func selinuxOpts(s *swarm.SELinuxContext) []string {
	if s == nil {
		return nil
	}
	var opts []string
	if s.Disable {
		opts = append(opts, "label=disable")
	}
	for _, o := range []struct{ key, value string }{{"user", s.User}, {"role", s.Role}, {"level", s.Level}, {"type", s.Type}} {
		if o.value != "" {
			opts = append(opts, "label="+o.key+":"+o.value)
		}
	}
	return opts
}

// credentialSpec gives an engine that knows credential specs the config's content: it has no configs of its own to look
// one up in. Another one gets the config's name, to refuse that in its own words.
func credentialSpec(in Input, c *swarm.CredentialSpec) (string, error) {
	switch {
	case c.Config != "":
		id, err := model.ParseID(c.Config)
		data, ok := in.Task.Configs[id.String()]
		switch {
		case err != nil || !ok:
		case in.Platform.OS == "windows":
			return "credentialspec=raw://" + string(data), nil
		default:
			return "credentialspec=config://" + c.Config, nil
		}
		return "", fmt.Errorf("credential spec: config %q is not among the task's configs", c.Config)
	case c.File != "":
		return "credentialspec=file://" + c.File, nil
	default:
		return "credentialspec=registry://" + c.Registry, nil
	}
}

package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/skep-org/skep/internal/stack/finding"
	"github.com/skep-org/skep/internal/stack/keys"
	"github.com/skep-org/skep/internal/stack/source"
)

// Options are what a user says about the files.
type Options struct {
	Files     []string // none: those the specification looks for; "-" is Stdin
	EnvFiles  []string // none: .env beside the files
	Profiles  []string
	Directory string // what relative paths are relative to; none: where the first file is
	Name      string // the stack's; none: the name in the files
	Environ   []string
	Stdin     io.Reader
}

// Loaded is what the files say.
type Loaded struct {
	Name    string              // the stack's
	Project *types.Project      // names of networks, volumes, secrets and configs are there only where a file gives one
	Hosts   map[string][]string // the names of extra_hosts in the order of each service's list
	// Findings are of keys that are what they are with any value. They have no places yet.
	Findings []finding.Finding
	Files    *source.Files
}

// Load reads the files.
func Load(ctx context.Context, o Options) (*Loaded, error) {
	details, options, err := o.details(ctx)
	if err != nil {
		return nil, err
	}
	out := &Loaded{Files: &source.Files{}}
	if err := readSources(out.Files, details); err != nil {
		return nil, err
	}
	said := listen()
	defer said.stop()
	model, err := loader.LoadModelWithContext(ctx, *details, options.with(func(lo *loader.Options) { lo.SkipNormalization = true })...)
	if err != nil {
		return nil, explain(err, out.Files)
	}
	out.Name, err = o.stackName(model)
	if err != nil {
		return nil, err
	}
	out.Hosts = hostOrder(model)
	found := keys.Check(model, func(path []string) bool { return out.Files.Locate(path).Exact })
	if out.Project, err = project(model, details, options, out.Name); err != nil {
		return nil, explain(err, out.Files)
	}
	out.Findings = append(active(found, out.Project), said.findings(out.Files)...)
	return out, nil
}

// stackName is the one the user gave, or else the files'.
func (o Options) stackName(model map[string]any) (string, error) {
	name := o.Name
	if name == "" {
		name, _ = model["name"].(string)
	}
	if name == "" {
		return "", errors.New("the stack has no name: give one to the command, or write name: in the file")
	}
	if strings.ContainsAny(name, " \t\n'\"/") {
		return "", fmt.Errorf("%q is no name for a stack: use letters, digits, - and _", name)
	}
	return name, nil
}

// details are the files, their directory and the variables.
func (o Options) details(ctx context.Context) (*types.ConfigDetails, loadOptions, error) {
	po, err := cli.NewProjectOptions(o.Files, cli.WithWorkingDirectory(o.Directory), cli.WithEnv(o.Environ),
		cli.WithEnvFiles(o.EnvFiles...), cli.WithDotEnv, cli.WithConfigFileEnv, cli.WithDefaultConfigPath)
	if err != nil {
		return nil, nil, explain(err, nil)
	}
	if len(po.ConfigPaths) == 0 {
		return nil, nil, errors.New("there is no Compose file here: name one with --compose-file, or - to read it from the standard input")
	}
	dir, err := po.GetWorkingDir()
	if err != nil {
		return nil, nil, err
	}
	details, err := loader.LoadConfigFiles(ctx, po.ConfigPaths, dir)
	if err != nil {
		return nil, nil, explain(err, nil)
	}
	details.WorkingDir = dir
	details.Environment = po.Environment
	if err := o.read(details.ConfigFiles); err != nil {
		return nil, nil, err
	}
	profiles := o.Profiles
	if len(profiles) == 0 {
		profiles = strings.Split(po.Environment["COMPOSE_PROFILES"], ",")
	}
	return details, loadOptions{func(lo *loader.Options) {
		lo.Profiles = profiles
		// What nobody wrote is left to the cluster, which has values of its own.
		lo.SkipDefaultValues = true
		// compose-go takes fewer characters for a project's name than swarm for a stack's; it is not used for objects' names.
		lo.SetProjectName(projectName(cmp.Or(o.Name, "stack")), o.Name != "")
	}}, nil
}

// projectName is a name compose-go takes for any stack's.
func projectName(stack string) string {
	if name := loader.NormalizeProjectName(stack); name != "" {
		return name
	}
	return "stack"
}

type loadOptions []func(*loader.Options)

func (l loadOptions) with(more func(*loader.Options)) loadOptions {
	return append(slices.Clone(l), more)
}

// active leaves out what is found of services that no profile has switched on.
func active(found []finding.Finding, p *types.Project) []finding.Finding {
	return slices.DeleteFunc(found, func(f finding.Finding) bool {
		if len(f.Path) < 2 || f.Path[0] != "services" {
			return false
		}
		_, off := p.DisabledServices[f.Path[1]]
		return off
	})
}

// Located are all findings, those of the conversion and the files' own, with their places, sorted.
func (l *Loaded) Located(more []finding.Finding) []finding.Finding {
	all := slices.Concat(l.Findings, more)
	for i := range all {
		if all[i].File == "" && len(all[i].Path) > 0 {
			at := l.Files.Locate(all[i].Path)
			all[i].File, all[i].Line = at.File, at.Line
		}
	}
	return finding.Sort(all)
}

package stackcmd

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/compose"
	"github.com/skep-org/skep/internal/stack/finding"
)

// files are the flags that say which Compose files are meant.
type files struct {
	paths, env, profiles []string
	directory            string
	noBuild              bool
}

func (f *files) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&f.paths, "compose-file", "f", nil, "`file` to deploy, - for the standard input; of several each adds to those before (default: compose.yaml here or above)")
	cmd.Flags().StringArrayVar(&f.env, "env-file", nil, "`file` with variables for the files (default: .env beside them)")
	cmd.Flags().StringArrayVar(&f.profiles, "profile", nil, "`profile` to switch on, * for all of them")
	cmd.Flags().StringVar(&f.directory, "project-directory", "", "`directory` that relative paths start from (default: that of the first file)")
}

// load reads the files, and shows what is found in them. It fails when something is refused.
func (f *files) load(cmd *cobra.Command, name string) (*stack.Stack, *compose.Loaded, error) {
	loaded, err := compose.Load(cmd.Context(), compose.Options{
		Files: f.paths, EnvFiles: f.env, Profiles: f.profiles, Directory: f.directory, Name: name,
		Environ: os.Environ(), Stdin: cmd.InOrStdin(),
	})
	if err != nil {
		return nil, nil, err
	}
	s, found := stack.Convert(stack.Input{Project: loaded.Project, Hosts: loaded.Hosts, NoBuild: f.noBuild})
	found = loaded.Located(found)
	for _, one := range found {
		warn(cmd, one.String())
	}
	if n := finding.Count(found, finding.Refused); n > 0 {
		return nil, nil, errors.New(count(n, "key") + " of the files cannot be honoured: nothing was changed")
	}
	return s, loaded, nil
}

// named is the argument that says which stack.
func named(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

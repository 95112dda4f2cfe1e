package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/cli/dockerconfig"
	"github.com/skep-org/skep/internal/cli/output"
	"github.com/skep-org/skep/internal/node"
)

func contextCommand() *cobra.Command {
	var host string
	var noUse bool
	cmd := &cobra.Command{
		Use:   "context",
		Short: "Make the docker command talk to skep",
		Long: `Create a Docker context named "` + dockerconfig.ContextName + `" and select it, so that plain
"docker service ls" and every other docker command of this user talks to skep.
"docker context use default" goes back to the engine; "skep context rm" does so
and removes the context.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := dockerconfig.Dir()
			if err != nil {
				return err
			}
			if err := dockerconfig.WriteContext(dir, host); err != nil {
				return err
			}
			if noUse {
				return output.Printf(cmd, "Created the Docker context %q for %s. To select it: docker context use %s\n", dockerconfig.ContextName, host, dockerconfig.ContextName)
			}
			if err := dockerconfig.Select(dir, dockerconfig.ContextName); err != nil {
				return err
			}
			warnOverridden(cmd.ErrOrStderr())
			return output.Printf(cmd, "Created and selected the Docker context %q for %s.\n", dockerconfig.ContextName, host)
		},
	}
	cmd.Flags().StringVar(&host, "host", node.DefaultHost, "`address` of skep's API")
	cmd.Flags().BoolVar(&noUse, "no-use", false, "create the context without selecting it")
	cmd.AddCommand(&cobra.Command{
		Use:   "rm",
		Short: "Remove the Docker context skep made",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := dockerconfig.Dir()
			if err != nil {
				return err
			}
			if err := dockerconfig.RemoveContext(dir); err != nil {
				return err
			}
			return output.Printf(cmd, "Removed the Docker context %q.\n", dockerconfig.ContextName)
		},
	})
	return cmd
}

// warnOverridden tells about variables that win over the selected context.
func warnOverridden(w io.Writer) {
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT"} {
		if value := os.Getenv(name); value != "" {
			_, _ = fmt.Fprintf(w, "Warning: %s=%s is set and wins over the selected context: unset %s\n", name, value, name)
		}
	}
}

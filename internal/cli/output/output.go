package output

import (
	"fmt"

	"github.com/spf13/cobra"
)

// Printf prints to a command's standard output. The package cobra's own prints to its standard error.
func Printf(cmd *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), format, args...)
	return err
}

package stackcmd

import (
	"github.com/spf13/cobra"
)

func configCommand() *cobra.Command {
	var f files
	cmd := &cobra.Command{
		Use:   "config [STACK]",
		Short: "Show the files as they are read, and what a cluster makes of them",
		Long: `Show the files as they are read: merged, with variables filled in, and what a
cluster does not honour of them. It asks no cluster and changes nothing.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, loaded, err := f.load(cmd, named(args))
			if err != nil {
				return err
			}
			p := loaded.Project
			for key, c := range p.Configs {
				if c.File != "" {
					c.Content = "" // one or the other may be written
					p.Configs[key] = c
				}
			}
			text, err := p.MarshalYAML()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	f.flags(cmd)
	return cmd
}

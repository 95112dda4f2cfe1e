package labcmd

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/lab/hosts"
)

func networkCommands(dir *string) []*cobra.Command {
	return []*cobra.Command{partitionCommand(dir), lossCommand(dir), delayCommand(dir), rateCommand(dir), healCommand(dir)}
}

func partitionCommand(dir *string) *cobra.Command {
	var oneWay bool
	cmd := &cobra.Command{
		Use:   "partition HOST,HOST... [HOST,HOST...]...",
		Short: "Separate groups of hosts from each other",
		Long: `Separate groups of hosts from each other; "a,b | c,d" in quotes will do,
too. One group alone is separated from all other hosts. The client reaches
everyone unless it is named. Partitions add up until "skep lab heal".

  skep lab partition m1,m2 m3,w1,w2
  skep lab partition m1
  skep lab partition --one-way m1 m2,m3`,
		Args: cobra.MinimumNArgs(1),
		RunE: withLab(dir, func(cmd *cobra.Command, lab *hosts.Lab, args []string) error {
			groups := parseGroups(args)
			if !oneWay {
				return lab.Partition(cmd.Context(), groups...)
			}
			if len(groups) != 2 {
				return errors.New("--one-way needs two groups: whose packets are lost, and where they do not arrive")
			}
			return lab.PartitionOneWay(cmd.Context(), groups[0], groups[1])
		}),
	}
	cmd.Flags().BoolVar(&oneWay, "one-way", false, "lose only what the first group sends to the second")
	return cmd
}

// parseGroups takes groups as arguments of their own or with bars between them.
func parseGroups(args []string) [][]string {
	var groups [][]string
	for group := range strings.SplitSeq(strings.Join(args, "|"), "|") {
		names := strings.FieldsFunc(group, func(r rune) bool { return r == ',' || r == ' ' })
		if len(names) > 0 {
			groups = append(groups, names)
		}
	}
	return groups
}

func lossCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "loss HOST PERCENT",
		Short: "Lose some of the packets from and to a host",
		Args:  cobra.ExactArgs(2),
		RunE: withLab(dir, func(cmd *cobra.Command, lab *hosts.Lab, args []string) error {
			percent, err := strconv.Atoi(strings.TrimSuffix(args[1], "%"))
			if err != nil {
				return fmt.Errorf("%q is no number of packets of a hundred", args[1])
			}
			return lab.Loss(cmd.Context(), args[0], percent)
		}),
	}
}

func delayCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "delay HOST TIME",
		Short: "Make packets from and to a host late, where the kernel has netem",
		Args:  cobra.ExactArgs(2),
		RunE: withLab(dir, func(cmd *cobra.Command, lab *hosts.Lab, args []string) error {
			d, err := time.ParseDuration(args[1])
			if err != nil {
				return fmt.Errorf("%q is no time such as 50ms", args[1])
			}
			return lab.Delay(cmd.Context(), args[0], d)
		}),
	}
}

func rateCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "rate HOST RATE",
		Short: "Bound what a host's link carries each way",
		Long: `Bound what a host's link carries each way, such as 200mbit; 0 ends it.

  skep lab rate w1 10mbit`,
		Args: cobra.ExactArgs(2),
		RunE: withLab(dir, func(cmd *cobra.Command, lab *hosts.Lab, args []string) error {
			rate, err := hosts.ParseBitrate(args[1])
			if err != nil {
				return err
			}
			return lab.Rate(cmd.Context(), args[0], rate)
		}),
	}
}

func healCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "heal",
		Short: "End all partitions, losses, delays and rates",
		Args:  cobra.NoArgs,
		RunE: withLab(dir, func(cmd *cobra.Command, lab *hosts.Lab, _ []string) error {
			return lab.Heal(cmd.Context())
		}),
	}
}

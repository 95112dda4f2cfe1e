package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is how long a line of help may be; a terminal has 80 columns unless somebody made it wider.
const helpWidth = 80

// daemonUsage is the daemon's help, its flags under headings rather than in one alphabetic list.
func daemonUsage(cmd *cobra.Command, sections []section) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s [flags]\n", cmd.CommandPath())
	for _, s := range sections {
		fmt.Fprintf(&b, "\n%s:\n", s.title)
		s.flags.SortFlags = false
		s.flags.VisitAll(func(f *pflag.Flag) { describeFlag(&b, f) })
	}
	b.WriteString("\nWhere settings come from:\n")
	describeFlag(&b, cmd.Flags().Lookup(configFlag))
	b.WriteString(`
Each flag is also a key of that YAML or JSON file, and an environment variable:
--data-dir is data-dir there and SKEP_DATA_DIR here. A list is separated by
commas. A flag wins over the environment, the environment over the file.
`)
	_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
	return err
}

// usage is the help of every other command.
func usage(cmd *cobra.Command) error {
	var b strings.Builder
	b.WriteString("Usage:\n")
	fmt.Fprintf(&b, "  %s\n", cmd.UseLine())
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				fmt.Fprintf(&b, "  %-10s  %s\n", c.Name(), c.Short)
			}
		}
	}
	b.WriteString("\nFlags:\n")
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { describeFlag(&b, f) })
	_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
	return err
}

// describeFlag writes a flag and, indented below it, what it does.
func describeFlag(b *strings.Builder, f *pflag.Flag) {
	b.WriteString("  ")
	if f.Shorthand != "" {
		fmt.Fprintf(b, "-%s, ", f.Shorthand)
	}
	value, help := pflag.UnquoteUsage(f)
	if f.Value.Type() == "bool" {
		value = ""
	}
	fmt.Fprintln(b, strings.TrimSpace("--"+f.Name+" "+value))
	if d := strings.Trim(f.DefValue, "[]"); d != "" && d != "false" && !strings.Contains(help, "(default: ") {
		help += " (default " + d + ")"
	}
	for _, line := range wrap(help, helpWidth-8) {
		fmt.Fprintf(b, "        %s\n", line)
	}
}

// wrap breaks a text between words.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

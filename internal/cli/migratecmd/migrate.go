package migratecmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/client"
	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/cli/clusterapi"
	"github.com/skep-org/skep/internal/cli/local"
	"github.com/skep-org/skep/internal/migrate"
	"github.com/skep-org/skep/internal/migrate/directory"
	"github.com/skep-org/skep/internal/migrate/reading"
)

// migration is one run of skep migrate.
type migration struct {
	from, host, write    string
	secrets, nodes       []string
	secretDir            string
	options              migrate.Options
	dryRun, auth, detach bool
	timeout              time.Duration
	cmd                  *cobra.Command
	clock                clusterapi.Clock
	client               *client.Client
	want                 *migrate.Wanted
	found                []migrate.Finding
	askSecret            func(prompt string) ([]byte, error) // nil: nobody sits there
}

// New is skep migrate.
func New() *cobra.Command { return newCommand(clusterapi.RealClock{}, nil) }

func newCommand(clock clusterapi.Clock, ask func(string) ([]byte, error)) *cobra.Command {
	m := &migration{clock: clock, askSecret: ask}
	cmd := &cobra.Command{
		Use:   "migrate --from CONTEXT",
		Short: "Have on this cluster what a running Docker swarm has",
		Long: `Read a running swarm and make the same on this cluster: networks, configs,
secrets, services and stacks, settings, and what is set of nodes of the same
host name. The swarm is only read, and runs on. --from is a Docker context, an
address (unix://, tcp://, ssh://), or a directory that --write made before:

  skep migrate --from old --dry-run
  skep migrate --from old --secret db_password=./password
  skep migrate --from old --write swarm/
  skep migrate --from ./swarm

What is not carried, what is another thing here and what is left for you to do
is said of each object. Everything is checked before anything is written. What
is there already is left alone, so that the same command goes on where one
broke off, and changes nothing when all is there; what is there and another
thing is named, and changed by --update.

Contents of secrets cannot be read from a swarm: they are asked for on the
terminal, unless --secret or --secrets gives them. Volumes are not moved.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m.cmd = cmd
			return m.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&m.from, "from", "", "`context`, address or directory to migrate from; a directory has a / in it")
	f.StringVar(&m.host, "host", "", clusterapi.HostUsage)
	f.StringVar(&m.write, "write", "", "keep what is read in a new `directory`, to be read and edited, and change no cluster")
	f.StringArrayVar(&m.secrets, "secret", nil, "`NAME=FILE` with the content of a secret; may be given several times")
	f.StringVar(&m.secretDir, "secrets", "", "`directory` with the contents of secrets, in files of their names")
	f.StringArrayVar(&m.nodes, "node", nil, "`OLD=NEW`: the node NEW here is in the place of the swarm's node OLD, for labels and constraints")
	f.StringSliceVar(&m.options.Without, "without", nil, "make what has `it` without it: encryption, ipv6 (networks); leave out jobs")
	f.BoolVar(&m.options.Update, "update", false, "have what is here and another thing become the swarm's")
	f.BoolVar(&m.dryRun, "dry-run", false, "show what would be made and what would not, and change nothing")
	f.BoolVar(&m.auth, "with-registry-auth", false, "send the nodes what docker login has kept for the images' registries")
	f.BoolVarP(&m.detach, "detach", "d", false, "do not wait for the services")
	f.DurationVar(&m.timeout, "timeout", 5*time.Minute, "`time` to wait for the services")
	return cmd
}

func (m *migration) run(ctx context.Context) error {
	if err := m.flags(); err != nil {
		return err
	}
	if err := m.read(ctx); err != nil {
		return err
	}
	if m.write != "" {
		return m.keep()
	}
	m.host = local.Address(m.host)
	c, err := clusterapi.Connect(m.host)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	m.client = c
	here, err := reading.Read(ctx, c, "the cluster at "+m.host)
	if err != nil {
		return err
	}
	if r := m.options.Running; r != nil && r.Cluster.ID == here.Cluster.ID {
		return fmt.Errorf("%s and %s are the same cluster: name the swarm by --from, and this cluster by --host", m.from, m.host)
	}
	if err := m.contents(ctx, here); err != nil {
		return err
	}
	return m.carry(ctx, here)
}

// flags reads those that have a form.
func (m *migration) flags() error {
	if m.from == "" {
		return errors.New("say by --from which swarm: a Docker context, an address, or a directory that --write made")
	}
	if m.write != "" && (m.dryRun || m.options.Update) {
		return errors.New("--write changes no cluster: neither --dry-run nor --update goes with it")
	}
	for _, w := range m.options.Without {
		if w != migrate.Encryption && w != migrate.IPv6 && w != migrate.Jobs {
			return fmt.Errorf("--without %s is not one of encryption, ipv6 and jobs", w)
		}
	}
	m.options.Nodes = map[string]string{}
	for _, pair := range m.nodes {
		old, now, ok := strings.Cut(pair, "=")
		if !ok || old == "" || now == "" {
			return fmt.Errorf("--node %s is not OLD=NEW", pair)
		}
		if m.options.Nodes[old] != "" {
			return fmt.Errorf("--node %s: another one says what is in the place of %s", pair, old)
		}
		m.options.Nodes[old] = now
	}
	return nil
}

// read is what is wanted, of a swarm or a directory.
func (m *migration) read(ctx context.Context) (err error) {
	if isDirectory(m.from) {
		if m.write != "" {
			return fmt.Errorf("%s is a directory already: copy it, to have another", m.from)
		}
		m.want, err = directory.Read(m.from)
		return err
	}
	c, err := connectFrom(m.from, m.cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	swarm, err := reading.Read(ctx, c, m.from)
	if err != nil {
		return err
	}
	m.want, m.found = migrate.Carry(swarm)
	m.options.Running = &swarm
	return nil
}

// keep writes the directory.
func (m *migration) keep() error {
	if len(m.secrets) > 0 || m.secretDir != "" {
		return errors.New("--write keeps no secrets: give them when you migrate from the directory, or put them in secrets/content there")
	}
	text := report(m.found)
	if err := directory.Write(m.write, m.want, text); err != nil {
		return err
	}
	m.say("%s", strings.TrimSuffix(text, "\n"))
	m.say("Kept in %s: %s", m.write, amounts(m.want))
	for _, s := range m.want.Secrets {
		if s.Driver == nil {
			m.say("The content of secret %s goes into %s", s.Name, strings.TrimSuffix(m.write, "/")+"/secrets/content/"+s.Name)
		}
	}
	from := strings.TrimSuffix(m.write, "/")
	if !strings.Contains(from, "/") {
		from = "./" + from
	}
	m.say("Read it, change what is to be another thing here, then: skep migrate --from %s", from)
	return nil
}

func (m *migration) say(format string, args ...any) {
	_, _ = fmt.Fprintf(m.cmd.OutOrStdout(), format+"\n", args...)
}

func (m *migration) warn(text string) {
	_, _ = fmt.Fprintln(m.cmd.ErrOrStderr(), strings.TrimSpace(text))
}

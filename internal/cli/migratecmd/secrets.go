package migratecmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"golang.org/x/term"

	"github.com/skep-org/skep/internal/cli/clusterapi"
	"github.com/skep-org/skep/internal/migrate"
)

// contents gives secrets what is in them, as far as that is known, and compares with what is here.
func (m *migration) contents(ctx context.Context, here migrate.Swarm) error {
	if err := m.givenSecrets(); err != nil {
		return err
	}
	if !m.dryRun {
		for _, name := range migrate.Missing(m.want, here) {
			if err := m.prompt(name); err != nil {
				return err
			}
		}
	}
	m.options.SameSecret = map[string]bool{}
	for _, want := range m.want.Secrets {
		there := here.Secret(want.Name)
		if there == nil || len(want.Data) == 0 {
			continue
		}
		same, err := clusterapi.SameSecret(ctx, m.client, *there, want)
		if err != nil {
			return err
		}
		m.options.SameSecret[there.ID] = same
	}
	return nil
}

func (m *migration) wanted(name string) *swarm.SecretSpec {
	i := slices.IndexFunc(m.want.Secrets, func(s swarm.SecretSpec) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &m.want.Secrets[i]
}

// givenSecrets reads the files that flags name. One for a secret that is not wanted is a mistake.
func (m *migration) givenSecrets() error {
	if m.secretDir != "" {
		for i := range m.want.Secrets {
			s := &m.want.Secrets[i]
			data, err := os.ReadFile(filepath.Join(m.secretDir, s.Name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("the content of secret %s: %w", s.Name, err)
			}
			s.Data = data
		}
		if _, err := os.Stat(m.secretDir); err != nil {
			return fmt.Errorf("the directory with secrets: %w", err)
		}
	}
	for _, pair := range m.secrets {
		name, path, ok := strings.Cut(pair, "=")
		if !ok || name == "" || path == "" {
			return fmt.Errorf("--secret %s is not NAME=FILE", pair)
		}
		s := m.wanted(name)
		if s == nil {
			return fmt.Errorf("--secret %s: the swarm has no secret %s", pair, name)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("the content of secret %s: %w", name, err)
		}
		if len(data) == 0 {
			return fmt.Errorf("the content of secret %s: %s is empty", name, path)
		}
		s.Data = data
	}
	return nil
}

// prompt asks whoever sits there. Nobody, or an empty line, gives nothing: the plan says what is missing then.
func (m *migration) prompt(name string) error {
	ask := m.askSecret
	if ask == nil {
		in := int(os.Stdin.Fd())
		if m.cmd.InOrStdin() != os.Stdin || !term.IsTerminal(in) {
			return nil
		}
		ask = func(text string) ([]byte, error) {
			_, _ = fmt.Fprint(m.cmd.ErrOrStderr(), text)
			defer func() { _, _ = fmt.Fprintln(m.cmd.ErrOrStderr()) }()
			return term.ReadPassword(in)
		}
	}
	data, err := ask(fmt.Sprintf("Content of secret %s (one line, not shown): ", name))
	if err != nil {
		return fmt.Errorf("the content of secret %s was not read: %w", name, err)
	}
	m.wanted(name).Data = data
	return nil
}

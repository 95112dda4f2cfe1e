package sshdriver

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/skep-org/skep/internal/provision"
)

// auth are the ways to log in: by the agent's keys, then those in files. done ends the talk with the agent.
func (d *Driver) auth(m provision.Machine, t target) (methods []ssh.AuthMethod, done func(), err error) {
	signers, done := d.agent()
	files, err := d.files(m, t, len(signers) > 0)
	if err != nil {
		done()
		return nil, nil, err
	}
	// A key that is named comes first: servers take a few attempts only.
	switch {
	case t.only:
		signers = slices.Concat(files, named(signers, m, t))
	case m.Identity != "" || len(t.identities) > 0:
		signers = slices.Concat(files, signers)
	default:
		signers = append(signers, files...)
	}
	if len(signers) == 0 {
		done()
		return nil, nil, errors.New("there is no key to log in with: start an ssh-agent that has one, or name a file by --identity")
	}
	return []ssh.AuthMethod{ssh.PublicKeys(signers...)}, done, nil
}

// agent are the keys of the user's agent, which can be used until done.
func (d *Driver) agent() (signers []ssh.Signer, done func()) {
	if d.o.Agent == "" {
		return nil, func() {}
	}
	conn, err := net.Dial("unix", d.o.Agent) //nolint:noctx // a socket of this machine
	if err != nil {
		return nil, func() {}
	}
	if signers, err = agent.NewClient(conn).Signers(); err != nil {
		signers = nil
	}
	return signers, func() { _ = conn.Close() }
}

// named are those of an agent's keys whose public halves lie beside the files that are named.
func named(signers []ssh.Signer, m provision.Machine, t target) []ssh.Signer {
	var wanted [][]byte
	for _, path := range append([]string{m.Identity}, t.identities...) {
		text, err := os.ReadFile(path + ".pub")
		if err != nil {
			continue
		}
		if key, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil {
			wanted = append(wanted, key.Marshal())
		}
	}
	return slices.DeleteFunc(signers, func(s ssh.Signer) bool {
		return !slices.ContainsFunc(wanted, func(w []byte) bool { return bytes.Equal(w, s.PublicKey().Marshal()) })
	})
}

// files are the keys in the file that the machine names, else in those that the configuration names or where ssh keeps them.
// One with a passphrase is the agent's.
func (d *Driver) files(m provision.Machine, t target, agent bool) ([]ssh.Signer, error) {
	if m.Identity != "" {
		s, err := readKey(m.Identity)
		var locked *ssh.PassphraseMissingError
		if errors.As(err, &locked) {
			if agent {
				return nil, nil
			}
			return nil, fmt.Errorf("the key in %s has a passphrase: give it to your agent by ssh-add %s", m.Identity, m.Identity)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the key in %s: %w", m.Identity, err)
		}
		return []ssh.Signer{s}, nil
	}
	paths := t.identities
	if len(paths) == 0 {
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			paths = append(paths, filepath.Join(d.o.Home, ".ssh", name))
		}
	}
	var all []ssh.Signer
	for _, path := range paths {
		s, err := readKey(path)
		var locked *ssh.PassphraseMissingError
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.As(err, &locked):
		case err != nil:
			return nil, fmt.Errorf("reading the key in %s: %w", path, err)
		default:
			all = append(all, s)
		}
	}
	return all, nil
}

func readKey(path string) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ssh.ParsePrivateKey(text)
}

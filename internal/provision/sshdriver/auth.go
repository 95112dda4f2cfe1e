package sshdriver

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/skep-org/skep/internal/provision"
)

// auth are the ways to log in: by the agent's keys, then those in files. done ends the talk with the agent.
func (d *Driver) auth(m provision.Machine) (methods []ssh.AuthMethod, done func(), err error) {
	done = func() {}
	var signers []ssh.Signer
	if d.o.Agent != "" {
		conn, err := net.Dial("unix", d.o.Agent) //nolint:noctx // a socket of this machine
		if err == nil {
			done = func() { _ = conn.Close() }
			keys, err := agent.NewClient(conn).Signers()
			if err == nil {
				signers = keys
			}
		}
	}
	fromFiles, err := d.files(m, len(signers) > 0)
	if err != nil {
		done()
		return nil, nil, err
	}
	// A key that is named comes first: servers take a few attempts only.
	if m.Identity != "" {
		signers = append(fromFiles, signers...)
	} else {
		signers = append(signers, fromFiles...)
	}
	if len(signers) == 0 {
		done()
		return nil, nil, errors.New("there is no key to log in with: start an ssh-agent that has one, or name a file by --identity")
	}
	return []ssh.AuthMethod{ssh.PublicKeys(signers...)}, done, nil
}

// files are the keys in the file that the machine names, or where ssh keeps them. One with a passphrase is the agent's.
func (d *Driver) files(m provision.Machine, agent bool) ([]ssh.Signer, error) {
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
	var all []ssh.Signer
	for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		s, err := readKey(filepath.Join(d.o.Home, ".ssh", name))
		var locked *ssh.PassphraseMissingError
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.As(err, &locked):
		case err != nil:
			return nil, fmt.Errorf("reading the key in ~/.ssh/%s: %w", name, err)
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

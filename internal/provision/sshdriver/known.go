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
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/skep-org/skep/internal/provision"
)

// hostKeyError is a host whose key is not as it should be.
type hostKeyError struct{ text string }

func (e *hostKeyError) Error() string { return e.text }

// known are the hosts' keys that the user trusts.
type known struct {
	file      string // where new ones are written
	acceptNew bool
	verify    ssh.HostKeyCallback
}

// knownHosts reads the file that a machine names, else those of the configuration, else the user's; and the system's.
func (d *Driver) knownHosts(m provision.Machine, t target) (*known, error) {
	files := []string{m.KnownHosts}
	if m.KnownHosts == "" {
		files = t.known
		if len(files) == 0 {
			files = []string{filepath.Join(d.o.Home, ".ssh", "known_hosts")}
		}
		files = append(slices.Clone(files), "/etc/ssh/ssh_known_hosts")
	}
	k := &known{file: files[0], acceptNew: d.o.AcceptNew}
	var there []string
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			there = append(there, f)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	var err error
	if k.verify, err = knownhosts.New(there...); err != nil {
		return nil, fmt.Errorf("reading the known hosts: %w", err)
	}
	return k, nil
}

// check implements ssh.HostKeyCallback.
func (k *known) check(addr string, remote net.Addr, key ssh.PublicKey) error {
	err := k.verify(addr, remote, key)
	var unknown *knownhosts.KeyError
	if !errors.As(err, &unknown) {
		return err
	}
	name := knownhosts.Normalize(addr)
	if len(unknown.Want) > 0 {
		return &hostKeyError{fmt.Sprintf("the host's key %s is not the one in %s line %d: if the host was made anew, remove that one by ssh-keygen -f %s -R %s, else somebody sits in between",
			ssh.FingerprintSHA256(key), unknown.Want[0].Filename, unknown.Want[0].Line, provision.Quote(unknown.Want[0].Filename), provision.Quote(name))}
	}
	if !k.acceptNew {
		host, port, _ := net.SplitHostPort(addr)
		return &hostKeyError{fmt.Sprintf("the host is not known, its key is %s: compare that with the host's (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub there), then add it by ssh-keyscan -p %s %s >>%s, or accept it unseen by --accept-new-host-key",
			ssh.FingerprintSHA256(key), port, host, provision.Quote(k.file))}
	}
	return k.add(name, key)
}

// add writes a new host's key down. Several machines may do so at once: what is appended at once stays whole.
func (k *known) add(name string, key ssh.PublicKey) error {
	if err := os.MkdirAll(filepath.Dir(k.file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(k.file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("writing down the host's key: %w", err)
	}
	_, err = f.WriteString(knownhosts.Line([]string{name}, key) + "\n")
	return errors.Join(err, f.Close())
}

// algorithms are those of the keys that are known of a host, so that it shows one of these and not another it has as
// well; nil: any.
func (k *known) algorithms(addr string) []string {
	var want *knownhosts.KeyError
	// A key that no host has: the refusal tells which ones are known.
	if !errors.As(k.verify(addr, &net.TCPAddr{}, noKey{}), &want) {
		return nil
	}
	var all []string
	for _, w := range want.Want {
		switch t := w.Key.Type(); t {
		case ssh.KeyAlgoRSA:
			all = append(all, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			all = append(all, t)
		}
	}
	return all
}

type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return bytes.Repeat([]byte{0}, 4) }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("this is no key") }

// isAuth tells a refused login from a broken connection.
func isAuth(err error) bool { return strings.Contains(err.Error(), "unable to authenticate") }

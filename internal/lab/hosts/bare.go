package hosts

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// SSHServer is the program of bare hosts, as their logs name it.
const SSHServer = "sshd"

// booted is what bare hosts start when they boot, as an init does: nothing until something is installed.
const booted = `for s in /etc/rc2.d/S*docker /etc/rc2.d/S*skep; do [ -x "$s" ] && "$s" start </dev/null; done; exec sleep infinity`

func (l *Lab) sshDir() string { return filepath.Join(l.cfg.Dir, "ssh") }

// Key is the file of the private key that bare hosts let in, as root.
func (l *Lab) Key() string { return filepath.Join(l.sshDir(), "id_ed25519") }

// KnownHosts is a file with the keys of all bare hosts.
func (l *Lab) KnownHosts() string { return filepath.Join(l.sshDir(), "known_hosts") }

// Inventory is a file with all bare hosts for skep machine create.
func (l *Lab) Inventory() string { return filepath.Join(l.sshDir(), "machines.yaml") }

func (l *Lab) hostKey(name string) string { return filepath.Join(l.sshDir(), name+"_host_key") }

// writeKeys makes the keys of users and hosts, before any host is.
func (l *Lab) writeKeys() error {
	if err := os.MkdirAll(l.sshDir(), 0o700); err != nil {
		return err
	}
	if _, err := writeKey(l.Key()); err != nil {
		return err
	}
	var known strings.Builder
	inventory := fmt.Sprintf("defaults:\n  identity: %s\n  known-hosts: %s\nmachines:\n", l.Key(), l.KnownHosts())
	for _, h := range l.Hosts() {
		public, err := writeKey(l.hostKey(h.Name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&known, "%s,%s %s", h.Name, h.Address, ssh.MarshalAuthorizedKey(public))
		inventory += fmt.Sprintf("  - {name: %s, host: root@%s, role: %s}\n", h.Name, h.Address, h.Role)
	}
	return errors.Join(
		os.WriteFile(l.KnownHosts(), []byte(known.String()), 0o600),
		os.WriteFile(l.Inventory(), []byte(inventory), 0o600),
	)
}

// writeKey makes a key: the private one in the file, the public one beside it.
func writeKey(path string) (ssh.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "skep lab")
	if err != nil {
		return nil, err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	return key, errors.Join(
		os.WriteFile(path, pem.EncodeToMemory(block), 0o600),
		os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(key), 0o600),
	)
}

// prepareBare writes the files of a bare host that is to start: an engine's settings, for when there is one.
func (l *Lab) prepareBare(m machine) error {
	path := filepath.Join(l.machineDir(m.Name), guest.EtcDocker, "daemon.json")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// As for the engines that the lab starts itself: see programs. A host with systemd has control groups of its own.
	settings := map[string]any{"cgroup-parent": l.cgroup() + "/" + m.Name, "exec-opts": []string{"native.cgroupdriver=cgroupfs"}}
	if l.cfg.Systemd {
		settings = map[string]any{}
	}
	text, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// barePrograms are what runs on a bare host.
func (l *Lab) barePrograms(m machine) []guest.Program {
	options := []string{
		"HostKey=" + l.hostKey(m.Name), "AuthorizedKeysFile=" + l.Key() + ".pub .ssh/authorized_keys", "PidFile=none", "UsePAM=no", "StrictModes=no",
		"PermitRootLogin=prohibit-password", "PasswordAuthentication=no", "KbdInteractiveAuthentication=no", "MaxStartups=100", "UseDNS=no",
		"Subsystem=sftp internal-sftp",
	}
	sshd := `mkdir -p /run/sshd && exec "$(command -v sshd)" -D -e -f /dev/null`
	for _, o := range options {
		sshd += " -o '" + o + "'"
	}
	server := guest.Program{Name: SSHServer, Argv: []string{"/bin/sh", "-c", sshd}}
	if l.cfg.Systemd {
		return []guest.Program{server}
	}
	return []guest.Program{{Name: "boot", Argv: []string{"sh", "-c", booted}}, server}
}

// readySSH waits until the host's SSH server answers.
func (h *Host) readySSH(ctx context.Context) error {
	err := until(ctx, "its SSH server answers", func() (bool, error) {
		if on, err := h.Running(); !on || err != nil {
			return false, errors.Join(errors.New("the host has ended"), err)
		}
		conn, err := h.DialContext(ctx, "tcp", net.JoinHostPort(h.Address.String(), "22"))
		if err != nil {
			return false, nil //nolint:nilerr // not yet
		}
		return true, conn.Close()
	})
	if err != nil {
		return fmt.Errorf("%w; the end of %s: %s", err, h.Log(SSHServer), lastLines(h.Log(SSHServer), 3))
	}
	return nil
}

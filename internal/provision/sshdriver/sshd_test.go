package sshdriver

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/skep-org/skep/internal/provision"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a real SSH server on a port of this machine that was free.
type server struct {
	port    int
	hostKey ssh.PublicKey
}

// writeKey makes a key; its public half is beside it.
func writeKey(t *testing.T, path, passphrase string) (ssh.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "test")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "test", []byte(passphrase))
	}
	require.NoError(t, err)
	key, err := ssh.NewPublicKey(public)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	require.NoError(t, os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(key), 0o600))
	return key, private
}

// start starts a server that lets the keys in authorized in.
func start(t *testing.T, authorized string) *server {
	t.Helper()
	program, err := exec.LookPath("sshd")
	if err != nil {
		program = "/usr/sbin/sshd"
	}
	_, err = os.Stat(program)
	require.NoError(t, err, "the tests need openssh-server: make setup installs it")
	if os.Geteuid() == 0 {
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755)) // what its package's service makes
	}
	dir := t.TempDir()
	s := &server{}
	s.hostKey, _ = writeKey(t, filepath.Join(dir, "host"), "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.port = l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	var log bytes.Buffer
	cmd := exec.Command(program, "-D", "-e", "-f", "/dev/null", "-o", "ListenAddress=127.0.0.1", "-o", "Port="+strconv.Itoa(s.port),
		"-o", "HostKey="+filepath.Join(dir, "host"), "-o", "AuthorizedKeysFile="+authorized, "-o", "PidFile=none", "-o", "StrictModes=no",
		"-o", "UsePAM=no", "-o", "PermitRootLogin=prohibit-password", "-o", "PasswordAuthentication=no", "-o", "KbdInteractiveAuthentication=no")
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond, "sshd does not answer")
	return s
}

// world is a server, a user who is let in, and what a test varies.
type world struct {
	*testing.T
	server *server
	dir    string
	m      provision.Machine
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: t.TempDir()}
	writeKey(t, filepath.Join(w.dir, "id"), "")
	w.server = start(t, filepath.Join(w.dir, "id.pub"))
	me, err := user.Current()
	require.NoError(t, err)
	w.m = provision.Machine{
		Name: "m1", Driver: provision.SSH, Host: fmt.Sprintf("%s@127.0.0.1:%d", me.Username, w.server.port), Role: provision.Manager,
		Identity: filepath.Join(w.dir, "id"), KnownHosts: filepath.Join(w.dir, "known_hosts"),
	}
	w.know(w.server)
	return w
}

func (w *world) know(servers ...*server) {
	w.Helper()
	text := ""
	for _, s := range servers {
		text += knownhosts.Line([]string{knownhosts.Normalize(fmt.Sprintf("127.0.0.1:%d", s.port))}, s.hostKey) + "\n"
	}
	require.NoError(w, os.WriteFile(w.m.KnownHosts, []byte(text), 0o600))
}

func (w *world) open(o Options) (provision.Host, error) {
	w.Helper()
	if o.Home == "" {
		o.Home = w.dir
	}
	return New(o).Open(w.Context(), w.m)
}

// works: a script runs as root, with input and output, and its failure says what it said.
func (w *world) works(o Options) {
	w.Helper()
	h, err := w.open(o)
	require.NoError(w, err)
	defer func() { require.NoError(w, h.Close()) }()
	var out bytes.Buffer
	require.NoError(w, h.Run(w.Context(), `id -u; echo "it's $HOME" >/dev/null; cat`, strings.NewReader("input"), &out))
	require.Equal(w, "0\ninput", out.String())
	err = h.Run(w.Context(), "echo one; echo two >&2; exit 3", nil, nil)
	require.ErrorContains(w, err, "two")
	require.ErrorContains(w, err, "3")
}

func needRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("skipped: a server that lets root in needs root")
	}
}

func TestRun(t *testing.T) {
	needRoot(t)
	w := newWorld(t)
	w.works(Options{})

	h, err := w.open(Options{})
	require.NoError(t, err)
	defer h.Close()
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	go func() { <-started; cancel() }()
	err = h.Run(ctx, "echo started; exec sleep 60", nil, writerFunc(func() { close(started) }))
	require.ErrorIs(t, err, context.Canceled)
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	var back bytes.Buffer
	require.NoError(t, h.Run(t.Context(), "cat", bytes.NewReader(big), &back))
	require.True(t, bytes.Equal(big, back.Bytes()))

	out := &bytes.Buffer{}
	err = h.Shell(t.Context(), []string{"echo", "$((1+1));", "exit", "7"}, provision.Terminal{Out: out})
	require.Equal(t, provision.ExitError{Code: 7}, err)
	require.Equal(t, "2\n", out.String())
	out.Reset()
	err = h.Shell(t.Context(), nil, provision.Terminal{
		In: strings.NewReader("stty size; exit\n"), Out: out, Raw: func() (func(), error) { return func() {}, nil },
		Size: func() (int, int) { return 123, 45 },
	})
	require.NoError(t, err)
	require.Contains(t, out.String(), "45 123")
}

type writerFunc func()

func (f writerFunc) Write(p []byte) (int, error) { f(); return len(p), nil }

func TestHostKeys(t *testing.T) {
	needRoot(t)
	w := newWorld(t)
	require.NoError(t, os.Remove(w.m.KnownHosts))
	_, err := w.open(Options{})
	require.ErrorContains(t, err, "the host is not known")
	require.ErrorContains(t, err, ssh.FingerprintSHA256(w.server.hostKey))
	require.NoFileExists(t, w.m.KnownHosts)

	w.works(Options{AcceptNew: true})
	w.works(Options{}) // it is known now

	other := start(t, filepath.Join(w.dir, "id.pub"))
	changed := *w.server
	changed.hostKey = other.hostKey
	w.know(&changed)
	for _, accept := range []bool{false, true} {
		_, err = w.open(Options{AcceptNew: accept})
		require.ErrorContains(t, err, "is not the one in "+w.m.KnownHosts+" line 1")
	}
}

func TestKeys(t *testing.T) {
	needRoot(t)
	w := newWorld(t)

	t.Run("another key", func(t *testing.T) {
		w := *w
		w.T = t
		w.m.Identity = filepath.Join(w.dir, "other")
		writeKey(t, w.m.Identity, "")
		_, err := w.open(Options{})
		require.ErrorContains(t, err, "it accepts none of the keys")
	})
	t.Run("no key", func(t *testing.T) {
		w := *w
		w.T = t
		w.m.Identity = ""
		_, err := w.open(Options{})
		require.ErrorContains(t, err, "there is no key to log in with")
	})
	t.Run("where ssh keeps it", func(t *testing.T) {
		w := *w
		w.T = t
		home := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(home, ".ssh"), 0o700))
		text, err := os.ReadFile(w.m.Identity)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(home, ".ssh", "id_ed25519"), text, 0o600))
		w.m.Identity = ""
		w.works(Options{Home: home})
	})
	t.Run("with a passphrase", func(t *testing.T) {
		w := *w
		w.T = t
		w.m.Identity = filepath.Join(w.dir, "locked")
		writeKey(t, w.m.Identity, "secret")
		_, err := w.open(Options{})
		require.ErrorContains(t, err, "ssh-add")
	})
	t.Run("by an agent", func(t *testing.T) {
		w := *w
		w.T = t
		socket, asked := serveAgent(t, w.m.Identity)
		w.m.Identity = ""
		w.works(Options{Agent: socket})
		require.Positive(t, asked.Load())
	})
}

// serveAgent is an agent that has a key, and counts who asks.
func serveAgent(t *testing.T, key string) (socket string, asked *atomic.Int32) {
	t.Helper()
	text, err := os.ReadFile(key)
	require.NoError(t, err)
	private, err := ssh.ParseRawPrivateKey(text)
	require.NoError(t, err)
	keys := agent.NewKeyring()
	require.NoError(t, keys.Add(agent.AddedKey{PrivateKey: private}))
	dir, err := os.MkdirTemp("", "agent") //nolint:usetesting // a socket's path must be short
	require.NoError(t, err)
	socket = filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	asked = &atomic.Int32{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = agent.ServeAgent(keys, conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done; _ = os.RemoveAll(dir) })
	return socket, asked
}

// TestJump: the host is reached through another one, whose key has to be known as well.
func TestJump(t *testing.T) {
	needRoot(t)
	w := newWorld(t)
	bastion := start(t, filepath.Join(w.dir, "id.pub"))
	me, _, _ := strings.Cut(w.m.Host, "@")
	w.m.Jump = fmt.Sprintf("%s@127.0.0.1:%d", me, bastion.port)
	_, err := w.open(Options{})
	require.ErrorContains(t, err, "connecting to "+w.m.Jump+": the host is not known")
	w.know(w.server, bastion)
	w.works(Options{})
}

// TestConfig: a machine is named as ssh's configuration names it, which says all the rest.
func TestConfig(t *testing.T) {
	needRoot(t)
	w := newWorld(t)
	bastion := start(t, filepath.Join(w.dir, "id.pub"))
	w.know(w.server, bastion)
	me, _, _ := strings.Cut(w.m.Host, "@")
	text := fmt.Sprintf(`Host bastion
  HostName 127.0.0.1
  Port %d
Host inner
  HostName 127.0.0.1
  Port %d
  ProxyJump bastion
Host *
  User %s
  IdentityFile %s
  UserKnownHostsFile %s
`, bastion.port, w.server.port, me, w.m.Identity, w.m.KnownHosts)
	path := filepath.Join(w.dir, "config")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	w.m.Host, w.m.Identity, w.m.KnownHosts = "inner", "", ""
	w.works(Options{Configs: []string{path}})

	_, err := w.open(Options{})
	require.ErrorContains(t, err, "there is no key to log in with")
	known := filepath.Join(w.dir, "known_hosts")
	require.NoError(t, os.Remove(known))
	_, err = w.open(Options{Configs: []string{path}})
	require.ErrorContains(t, err, "connecting to bastion ("+me+"@127.0.0.1:"+strconv.Itoa(bastion.port)+"): the host is not known")
	require.ErrorContains(t, err, ">>"+known)
}

// TestUnreachable: what does not answer is said so, in time.
func TestUnreachable(t *testing.T) {
	w := &world{T: t, dir: t.TempDir(), m: provision.Machine{Name: "m1", Host: "root@127.0.0.1:1"}}
	require.NoError(t, os.MkdirAll(filepath.Join(w.dir, ".ssh"), 0o700))
	writeKey(t, filepath.Join(w.dir, ".ssh", "id_ed25519"), "")
	_, err := w.open(Options{})
	require.ErrorContains(t, err, "connecting to root@127.0.0.1:1")

	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	go func() {
		if conn, err := silent.Accept(); err == nil {
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}()
	w.m.Host = "root@" + silent.Addr().String()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = New(Options{Home: w.dir}).Open(ctx, w.m)
	require.Error(t, err)
}

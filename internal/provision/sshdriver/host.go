package sshdriver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/skep-org/skep/internal/provision"
)

// host is a connection to a machine.
type host struct {
	clients []*ssh.Client // the jump hosts', then its own
	sudo    bool          // the login is not root
	stop    func()
	watched sync.WaitGroup
}

func (h *host) client() *ssh.Client { return h.clients[len(h.clients)-1] }

// Close implements [provision.Host].
func (h *host) Close() error {
	if h.stop != nil {
		h.stop()
	}
	var errs []error
	for i := len(h.clients) - 1; i >= 0; i-- {
		if err := h.clients[i].Close(); err != nil && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "closed") {
			errs = append(errs, err)
		}
	}
	h.watched.Wait()
	return errors.Join(errs...)
}

// watch closes the connection when the host is gone without a word.
func (h *host) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	h.watched.Go(func() {
		tick := time.NewTicker(aliveEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			silent := time.AfterFunc(aliveEvery, func() { _ = h.client().Close() })
			_, _, err := h.client().SendRequest("keepalive@openssh.com", true, nil)
			silent.Stop()
			if err != nil {
				return
			}
		}
	})
}

// whoAmI finds out whether scripts need sudo, and whether there is one without a password.
func (h *host) whoAmI(ctx context.Context) error {
	var out bytes.Buffer
	if err := h.run(ctx, "id -u", nil, &out); err != nil {
		return err
	}
	// The user's shell may say something of its own first.
	if words := strings.Fields(out.String()); len(words) > 0 && words[len(words)-1] == "0" {
		return nil
	}
	h.sudo = true
	if err := h.run(ctx, "sudo -n true", nil, nil); err != nil {
		return fmt.Errorf("user %s is not root there, and sudo asks for a password or is missing: log in as root, or allow it without one: %w", h.client().User(), err)
	}
	return nil
}

// Run implements [provision.Host].
func (h *host) Run(ctx context.Context, script string, in io.Reader, out io.Writer) error {
	command := "sh -c " + provision.Quote(script)
	if h.sudo {
		command = "sudo -n " + command
	}
	return h.run(ctx, command, in, out)
}

func (h *host) run(ctx context.Context, command string, in io.Reader, out io.Writer) error {
	s, err := h.client().NewSession()
	if err != nil {
		return fmt.Errorf("the connection is gone: %w", err)
	}
	said, heard := &provision.Tail{}, &heard{to: out}
	s.Stdin, s.Stdout, s.Stderr = in, heard, said
	ended := make(chan error, 1)
	h.watched.Go(func() {
		ended <- s.Run(command)
		_ = s.Close()
	})
	select {
	case err := <-ended:
		if err != nil {
			return said.Explain(err)
		}
		return nil
	case <-ctx.Done():
		// The server answers only once the script has ended there, which it may never.
		heard.stop()
		_ = s.Signal(ssh.SIGTERM)
		_ = s.Close()
		return context.Cause(ctx)
	}
}

// heard passes on what a script says, until nobody listens any more.
type heard struct {
	mu sync.Mutex
	to io.Writer
}

// Write implements io.Writer.
func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.to == nil {
		return len(p), nil
	}
	return h.to.Write(p)
}

func (h *heard) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.to = nil
}

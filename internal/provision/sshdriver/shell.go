package sshdriver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/skep-org/skep/internal/provision"
)

// Shell implements [provision.Host].
func (h *host) Shell(ctx context.Context, words []string, t provision.Terminal) error {
	s, err := h.client().NewSession()
	if err != nil {
		return fmt.Errorf("the connection is gone: %w", err)
	}
	defer func() { _ = s.Close() }()
	s.Stdin, s.Stdout, s.Stderr = t.In, t.Out, t.Err
	if t.Raw != nil {
		restore, err := h.terminal(s, t)
		if err != nil {
			return err
		}
		defer restore()
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if len(words) == 0 {
		err = s.Shell()
	} else {
		err = s.Start(strings.Join(words, " "))
	}
	if err == nil {
		err = s.Wait()
	}
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		return provision.ExitError{Code: exit.ExitStatus()}
	}
	return err
}

// terminal has the host make a terminal of the size of this one, and follow it.
func (h *host) terminal(s *ssh.Session, t provision.Terminal) (restore func(), err error) {
	width, height := t.Size()
	kind := os.Getenv("TERM")
	if kind == "" {
		kind = "xterm"
	}
	if err := s.RequestPty(kind, height, width, ssh.TerminalModes{}); err != nil {
		return nil, fmt.Errorf("the host makes no terminal: %w", err)
	}
	undo, err := t.Raw()
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	h.watched.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-t.Resized:
				width, height := t.Size()
				_ = s.WindowChange(height, width)
			}
		}
	})
	return func() { close(done); undo() }, nil
}

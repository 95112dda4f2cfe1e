package provision

import (
	"context"
	"io"
)

// Driver reaches machines of one kind.
type Driver interface {
	// Open connects to a machine. The context bounds the connecting only.
	Open(ctx context.Context, m Machine) (Host, error)
}

// Host is a machine that is connected to. It is safe for use by several goroutines.
type Host interface {
	// Run runs a shell script as root, with input and output where they are not nil. The error of a script that fails
	// holds the end of what it said on its error output. When the context ends the script is left alone, or ended if the
	// machine can.
	Run(ctx context.Context, script string, in io.Reader, out io.Writer) error
	// Shell runs a person's command at their terminal, as the user who is logged in; no words are a shell. A command that
	// ends with a code of its own is an [ExitError].
	Shell(ctx context.Context, words []string, t Terminal) error
	Close() error
}

// Terminal is where a person sits. Raw is set where In is a terminal: it gives its bytes unread, until restore is called.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	Raw      func() (restore func(), err error)
	Size     func() (width, height int)
	Resized  <-chan struct{}
}

// ExitError is the code a person's command has ended with.
type ExitError struct{ Code int }

func (e ExitError) Error() string { return "the command has failed" }

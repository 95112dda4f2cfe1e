package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// openUnix listens in a directory nobody else can enter, sets owner and mode, and renames the socket into its
// place: at no moment can anybody connect who should not.
func openUnix(path, group string) (net.Listener, error) {
	gid, err := groupID(group)
	if err != nil {
		return nil, err
	}
	if err := free(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of the socket %s: %w", path, err)
	}
	private, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, fmt.Errorf("make a directory to prepare the socket %s in: %w", path, err)
	}
	defer os.RemoveAll(private)
	draft := filepath.Join(private, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: draft, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on unix://%s: %w", path, err)
	}
	l.SetUnlinkOnClose(false) // it would unlink the draft's name
	if err := place(draft, path, gid); err != nil {
		l.Close()
		return nil, err
	}
	return &unixListener{UnixListener: l, path: path}, nil
}

// place makes the socket usable by its group and moves it to where clients look.
func place(draft, path string, gid int) error {
	if err := os.Chmod(draft, 0o660); err != nil {
		return fmt.Errorf("restrict the socket %s: %w", path, err)
	}
	if gid >= 0 {
		if err := os.Chown(draft, -1, gid); err != nil {
			return fmt.Errorf("give the socket %s to its group: %w", path, err)
		}
	}
	if err := os.Rename(draft, path); err != nil {
		return fmt.Errorf("put the socket %s in its place: %w", path, err)
	}
	return nil
}

// groupID is -1 when there is no such group: root alone is the safe choice.
func groupID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	g, err := user.LookupGroup(name)
	if unknown := user.UnknownGroupError(""); errors.As(err, &unknown) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look up the group %s: %w", name, err)
	}
	return strconv.Atoi(g.Gid)
}

// free makes sure that nobody listens at path and that nothing but a socket is there.
func free(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the socket %s: %w", path, err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there already and is no socket: move it away or choose another --host", path)
	}
	conn, err := dial(path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("another process listens on unix://%s: stop it or choose another --host", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("find out whether anybody listens on unix://%s: %w", path, err)
	}
	return nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the socket %s: %w", path, err)
	}
	return nil
}

// unixListener takes its name away when it closes, unless another has taken it over.
type unixListener struct {
	*net.UnixListener
	path string
}

func (l *unixListener) Close() error {
	err := l.UnixListener.Close()
	if conn, dialErr := dial(l.path); dialErr == nil {
		conn.Close()
		return err
	}
	return errors.Join(err, remove(l.path))
}

// Addr is the name clients know.
func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// dial asks whether somebody listens: on this machine that is known at once.
func dial(path string) (net.Conn, error) {
	return (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "unix", path)
}

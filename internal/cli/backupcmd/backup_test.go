package backupcmd

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/store/backup"

	"github.com/skep-org/skep/internal/cli/local/localtest"
)

// fake is a daemon that has a backup to give and takes one.
type fake struct {
	host     string
	cut      bool // the connection breaks off before the backup's end
	refusal  string
	restored []byte
	query    string
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{}
	f.host = localtest.Serve(t, f)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.refusal != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"message":"`+f.refusal+`"}`)
		return
	}
	if r.Method == http.MethodPost {
		f.restored, _ = io.ReadAll(r.Body)
		f.query = r.URL.RawQuery
		_, _ = io.WriteString(w, `{"NodeID":"n","Cluster":"c","Epoch":2}`)
		return
	}
	var b bytes.Buffer
	h := backup.Header{Cluster: "c", Index: 7, Time: time.Unix(0, 0).UTC()}
	_ = backup.Write(&b, h, func(w io.Writer) error {
		_, err := io.WriteString(w, strings.Repeat("state ", 50_000))
		return err
	})
	if f.cut {
		b.Truncate(b.Len() - 10)
	}
	_, _ = w.Write(b.Bytes())
}

// run runs a command with a passphrase on its standard input.
func run(t *testing.T, cmd *cobra.Command, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader("secret\n"))
	cmd.SetOut(&out)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(context.WithoutCancel(t.Context()))
	return out.String(), err
}

func TestBackupAndRestore(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		f, path := newFake(t), filepath.Join(t.TempDir(), "file")
		args := []string{path, "--host", f.host}
		if sealed {
			args = append(args, "--passphrase-file", "-")
		}
		out, err := run(t, Backup(), args...)
		require.NoError(t, err)
		require.Contains(t, out, "Backed up cluster c as of 1970-01-01T00:00:00Z (index 7)")
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.EqualValues(t, 0o600, info.Mode().Perm())
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, sealed, !bytes.Contains(raw, []byte("state state")))

		out, err = run(t, Restore(), append(args, "--force", "--advertise-addr", "eth0")...)
		require.NoError(t, err)
		require.Contains(t, out, "Restored cluster c")
		require.Equal(t, "advertise-addr=eth0&force=1", f.query)
		_, err = backup.Verify(bytes.NewReader(f.restored))
		require.NoError(t, err, "what reaches the daemon is not sealed")
	}
}

func TestNoHalfBackupIsLeft(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	path := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(path, []byte("the last good one"), 0o600))
	for name, broken := range map[string]func(){
		"damaged":     func() { f.cut = true },
		"no majority": func() { f.refusal = "no majority" },
	} {
		broken()
		_, err := run(t, Backup(), path, "--host", f.host)
		require.ErrorContains(t, err, name)
		f.cut, f.refusal = false, ""
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1)
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "the last good one", string(kept))
}

func TestWhatCannotBeRestoredIsNotSent(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	sealed := filepath.Join(dir, "sealed")
	_, err := run(t, Backup(), sealed, "--host", f.host, "--passphrase-file", "-")
	require.NoError(t, err)
	other := filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(other, []byte("guess\n"), 0o600))
	for want, args := range map[string][]string{
		"give its passphrase":  {sealed},
		"is not the backup's":  {sealed, "--passphrase-file", other},
		"is not a backup made": {other},
		"no such file":         {filepath.Join(dir, "none")},
	} {
		_, err := run(t, Restore(), append(args, "--host", f.host)...)
		require.ErrorContains(t, err, want)
	}
	require.Nil(t, f.restored)
	_, err = run(t, Restore(), sealed, "--host", "tcp://192.0.2.1:2375")
	require.ErrorContains(t, err, "run this on a node")
	_, err = run(t, Backup(), sealed, "--host", "unix:///nowhere.sock")
	require.ErrorContains(t, err, "does not answer")
}

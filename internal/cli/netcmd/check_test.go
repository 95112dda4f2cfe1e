package netcmd

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestCheck: the daemon's answer is in the input, the command's flags are in the arguments.
func TestCheck(t *testing.T) {
	dir, err := os.MkdirTemp("", "skep") //nolint:usetesting // a socket's path must be short
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	answer, asked := "", ""
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		_, _ = io.WriteString(w, answer)
	})}}
	s.Start()
	defer s.Close()
	datadriven.RunTest(t, "testdata/check.txt", func(t *testing.T, d *datadriven.TestData) string {
		answer = d.Input
		args := []string{"check", "--host", "unix://" + filepath.Join(dir, "s")}
		for _, a := range d.CmdArgs {
			args = append(args, "--"+a.Key)
			args = append(args, a.Vals...)
		}
		cmd := New()
		var out bytes.Buffer
		cmd.SetArgs(args)
		cmd.SetOut(&out)
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		err := cmd.ExecuteContext(context.WithoutCancel(t.Context()))
		text := "asked " + asked + "\n" + out.String()
		if err != nil {
			text += "error: " + err.Error() + "\n"
		}
		return text
	})
}

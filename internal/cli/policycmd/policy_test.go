package policycmd

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestCommands: the daemon's answer is in the input, the command and its flags are on the line.
func TestCommands(t *testing.T) {
	dir, err := os.MkdirTemp("", "skep") //nolint:usetesting // a socket's path must be short
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	answer, status, asked := "", 0, ""
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = r.Method + " " + r.URL.String() + " " + string(body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	})}}
	s.Start()
	defer s.Close()
	datadriven.RunTest(t, "testdata/policy.txt", func(t *testing.T, d *datadriven.TestData) string {
		answer, status, asked = d.Input, http.StatusOK, ""
		args := []string{d.Cmd}
		for _, a := range d.CmdArgs {
			switch a.Key {
			case "status":
				a.Scan(t, 0, &status)
			case "service":
				for _, v := range a.Vals {
					args = append(args, "--service", v)
				}
			default:
				args = append(args, a.Key)
			}
		}
		cmd := New()
		var out bytes.Buffer
		cmd.SetArgs(append(args, "--host", "unix://"+filepath.Join(dir, "s")))
		cmd.SetOut(&out)
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		err := cmd.ExecuteContext(context.WithoutCancel(t.Context()))
		text := "asked " + strings.TrimSpace(asked) + "\n" + out.String()
		if err != nil {
			text += "error: " + err.Error() + "\n"
		}
		return text
	})
}

package policycmd

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/skep-org/skep/internal/cli/local/localtest"
)

// TestCommands: the daemon's answer is in the input, the command and its flags are on the line.
func TestCommands(t *testing.T) {
	answer, status, asked := "", 0, ""
	host := localtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = r.Method + " " + r.URL.String() + " " + string(body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
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
		cmd.SetArgs(append(args, "--host", host))
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

package netcmd

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/skep-org/skep/internal/cli/local/localtest"
)

// TestCheck: the daemon's answer is in the input, the command's flags are in the arguments.
func TestCheck(t *testing.T) {
	answer, asked := "", ""
	host := localtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		_, _ = io.WriteString(w, answer)
	}))
	datadriven.RunTest(t, "testdata/check.txt", func(t *testing.T, d *datadriven.TestData) string {
		answer = d.Input
		args := []string{"check", "--host", host}
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

package imagecmd

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/skep-org/skep/internal/cli/local/localtest"
)

// TestCommands: each line of the input is the daemon's answer to one request, the command and its arguments are on the line.
func TestCommands(t *testing.T) {
	var answers, asked []string
	host := localtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String())
		answer := ""
		if len(answers) > 0 {
			answer, answers = answers[0], answers[1:]
		}
		if strings.HasPrefix(answer, `{"message"`) {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, answer)
	}))
	datadriven.RunTest(t, "testdata/image.txt", func(t *testing.T, d *datadriven.TestData) string {
		answers, asked = strings.Split(d.Input, "\n"), nil
		cmd := New()
		var out, progress bytes.Buffer
		cmd.SetArgs(append(words(d), "--host", host))
		cmd.SetOut(&out)
		cmd.SetErr(&progress)
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		err := cmd.ExecuteContext(context.WithoutCancel(t.Context()))
		text := "asked " + strings.Join(asked, "\nasked ") + "\n"
		text += progress.String() + regexp.MustCompile(`\d+ years ago`).ReplaceAllString(out.String(), "YEARS ago")
		if err != nil {
			text += "error: " + err.Error() + "\n"
		}
		return text
	})
}

// words are a command with its arguments; an argument with "=" in it is a flag's.
func words(d *datadriven.TestData) []string {
	out := []string{d.Cmd}
	for _, a := range d.CmdArgs {
		if len(a.Vals) > 0 {
			out = append(out, "--"+a.Key+"="+a.Vals[0])
		} else {
			out = append(out, a.Key)
		}
	}
	return out
}

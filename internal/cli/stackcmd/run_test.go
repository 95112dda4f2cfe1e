package stackcmd

import (
	"bytes"
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick is a clock whose time passes as it is waited for.
type quick struct{ now time.Time }

func (q *quick) Now() time.Time { return q.now }

func (q *quick) After(d time.Duration) <-chan time.Time {
	q.now = q.now.Add(d)
	c := make(chan time.Time, 1)
	c <- q.now
	return c
}

// run is one command against a cluster; what it prints, to either side.
func run(t *testing.T, f *fake, args ...string) (string, error) {
	t.Helper()
	return runWith(t, f, "", args...)
}

func runWith(t *testing.T, f *fake, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := newCommand(&quick{time.Unix(2000, 0)}, "ann@desk")
	var out bytes.Buffer
	if args[0] != "config" {
		args = append(args, "--host", f.host)
	}
	cmd.SetArgs(args)
	cmd.SetIn(bytes.NewBufferString(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(context.WithoutCancel(t.Context()))
	return out.String(), err
}

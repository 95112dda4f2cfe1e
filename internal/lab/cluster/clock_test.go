package cluster

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/wire"
)

// joinEnv makes this test's program ask to join: ADDRESS TOKEN AHEAD. All hosts of a lab have the machine's clock, so a
// node whose clock is far off is a program that sends what such a node's daemon would.
const joinEnv = "SKEP_LAB_JOIN"

// ahead is a clock that is wrong.
type ahead struct {
	env.Clock
	by time.Duration
}

func (a ahead) Now() time.Time { return a.Clock.Now().Add(a.by) }

// joinAhead is what the program does on a host. It returns its exit status.
func joinAhead(how string, say io.Writer) int {
	words := strings.Fields(how)
	by, err := time.ParseDuration(words[2])
	if err == nil {
		e := env.Real()
		e.Clock = ahead{e.Clock, by}
		var csr []byte
		if csr, _, err = identity.NewRequest(e.Rand); err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), settleLimit)
			defer cancel()
			_, err = remote.Join(ctx, e, words[0], &wire.JoinRequest{Token: words[1], Csr: csr, Clock: e.Now().UnixNano()})
		}
	}
	fmt.Fprintln(say, err)
	if err != nil {
		return 1
	}
	return 0
}

// clocksFarOff: a node whose clock is off by more than the limit is told so, both ways, and is no node.
func (f *fixture) clocksFarOff(host, token string) {
	f.t.Helper()
	program, err := os.Executable()
	f.must(err)
	for _, by := range []time.Duration{6 * time.Minute, -6 * time.Minute, 24 * 365 * 50 * time.Hour} {
		want := "they may be at most 5 minutes apart; set the clock that is wrong and join again"
		if by > time.Hour {
			want = "set the clock" // said before: no certificate is valid by that one
		}
		out, err := f.Host(host).Exec(f.t.Context(), "env", joinEnv+"="+f.address("m1")+" "+token+" "+by.String(), program)
		if err == nil || !strings.Contains(out+err.Error(), want) {
			f.t.Errorf("a node whose clock is off by %v is told: %s %v", by, out, err)
		}
	}
}

package hoststest

import (
	"testing"
	"time"
)

// look is how often something is looked at that is to become so.
const look = 30 * time.Millisecond

// Eventually repeats a check until it says nothing, and returns how long that took. After the limit the test ends with what
// it said last.
func Eventually(t testing.TB, limit time.Duration, check func() string) time.Duration {
	t.Helper()
	began := time.Now()
	wrong := ""
	for ; time.Since(began) < limit; time.Sleep(look) {
		if wrong = check(); wrong == "" {
			return time.Since(began)
		}
	}
	t.Fatalf("after %v: %s", limit, wrong)
	return 0
}

package hosts

import (
	"testing"
	"time"
)

func TestProcessorTime(t *testing.T) {
	stat := "42 (a) b (c)) S 1 42 42 0 -1 4194560 100 200 0 0 7 5 30 8 20 0 12 0 100 1000 50 18446744073709551615\n"
	if got, err := processorTime([]byte(stat)); err != nil || got != 500*time.Millisecond {
		t.Errorf("got %v, %v, want the sum of four fields, 500ms", got, err)
	}
	for _, bad := range []string{"", "42 (a) S 1 2 3", "42 (a) S 1 42 42 0 -1 4194560 100 200 0 0 x 5 30 8 20"} {
		if got, err := processorTime([]byte(bad)); err == nil {
			t.Errorf("%q is said to be %v", bad, got)
		}
	}
}

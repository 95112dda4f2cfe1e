package control

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestWakeQueue compares with a map: the earliest time asked for counts, keys come in the order of their times, none
// twice, none early, none late.
func TestWakeQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(1000, 0)
		now := start
		var q WakeQueue[int]
		want := map[int]time.Time{}
		key := rapid.IntRange(0, 5)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				k, at := key.Draw(t, "key"), now.Add(time.Duration(rapid.IntRange(-2, 10).Draw(t, "in"))*time.Second)
				q.Add(k, at)
				if old, ok := want[k]; !ok || at.Before(old) {
					want[k] = at
				}
			},
			"pop": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "later")) * time.Second)
				got := q.Pop(now)
				if !slices.IsSortedFunc(got, func(a, b int) int { return want[a].Compare(want[b]) }) {
					t.Fatalf("out of order: %v of %v", got, want)
				}
				for _, k := range got {
					if at, ok := want[k]; !ok || at.After(now) {
						t.Fatalf("key %d is not due", k)
					}
					delete(want, k)
				}
			},
			"": func(t *rapid.T) {
				var first time.Time
				for _, at := range want {
					if first.IsZero() || at.Before(first) {
						first = at
					}
				}
				if got := q.Next(); !got.Equal(first) {
					t.Fatalf("next is %v, want %v", got, first)
				}
			},
		})
		q.Pop(now.Add(time.Hour))
		if !q.Next().IsZero() {
			t.Fatal("something is left")
		}
	})
}

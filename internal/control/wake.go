package control

import (
	"container/heap"
	"time"
)

// WakeQueue holds the earliest wake-up time of each key. Its zero value is empty and ready. It belongs to one
// goroutine.
type WakeQueue[K comparable] struct {
	at   map[K]time.Time
	heap wakeHeap[K]
}

type wakeItem[K comparable] struct {
	at  time.Time
	seq int // ties wake in the order they were asked for, so that a run is reproducible
	key K
}

// Add asks for k at t unless an earlier time is set.
func (q *WakeQueue[K]) Add(k K, t time.Time) {
	if old, ok := q.at[k]; ok && !t.Before(old) {
		return
	}
	if q.at == nil {
		q.at = map[K]time.Time{}
	}
	q.at[k] = t
	heap.Push(&q.heap, wakeItem[K]{t, q.heap.seq, k})
	q.heap.seq++
}

// Pop returns the keys whose time has come, the earliest first, and forgets them.
func (q *WakeQueue[K]) Pop(now time.Time) []K {
	var keys []K
	for q.tidy(); len(q.heap.items) > 0 && !q.heap.items[0].at.After(now); q.tidy() {
		it := heap.Pop(&q.heap).(wakeItem[K])
		delete(q.at, it.key)
		keys = append(keys, it.key)
	}
	return keys
}

// Next is the earliest time asked for; zero when there is none.
func (q *WakeQueue[K]) Next() time.Time {
	q.tidy()
	if len(q.heap.items) == 0 {
		return time.Time{}
	}
	return q.heap.items[0].at
}

// tidy drops items an earlier time for the same key replaced.
func (q *WakeQueue[K]) tidy() {
	for len(q.heap.items) > 0 {
		it := q.heap.items[0]
		if at, ok := q.at[it.key]; ok && at.Equal(it.at) {
			return
		}
		heap.Pop(&q.heap)
	}
}

type wakeHeap[K comparable] struct {
	items []wakeItem[K]
	seq   int
}

func (h *wakeHeap[K]) Len() int { return len(h.items) }
func (h *wakeHeap[K]) Less(i, j int) bool {
	a, b := h.items[i], h.items[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.seq < b.seq
}
func (h *wakeHeap[K]) Swap(i, j int) { h.items[i], h.items[j] = h.items[j], h.items[i] }
func (h *wakeHeap[K]) Push(x any)    { h.items = append(h.items, x.(wakeItem[K])) }
func (h *wakeHeap[K]) Pop() any {
	it := h.items[len(h.items)-1]
	h.items = h.items[:len(h.items)-1]
	return it
}

package control

import (
	"container/heap"
	"time"
)

// wakeQueue holds the earliest wake-up time of each key.
type wakeQueue struct {
	at   map[Key]time.Time
	heap wakeHeap
}

type wakeItem struct {
	at  time.Time
	seq int // ties wake in the order they were asked for, so that a run is reproducible
	key Key
}

func newWakeQueue() wakeQueue { return wakeQueue{at: map[Key]time.Time{}} }

// add asks for k at t unless an earlier time is set.
func (q *wakeQueue) add(k Key, t time.Time) {
	if old, ok := q.at[k]; ok && !t.Before(old) {
		return
	}
	q.at[k] = t
	heap.Push(&q.heap, wakeItem{t, q.heap.seq, k})
	q.heap.seq++
}

// pop returns the keys whose time has come.
func (q *wakeQueue) pop(now time.Time) []Key {
	var keys []Key
	for q.tidy(); len(q.heap.items) > 0 && !q.heap.items[0].at.After(now); q.tidy() {
		it := heap.Pop(&q.heap).(wakeItem)
		delete(q.at, it.key)
		keys = append(keys, it.key)
	}
	return keys
}

// next is the earliest time asked for; zero when there is none.
func (q *wakeQueue) next() time.Time {
	q.tidy()
	if len(q.heap.items) == 0 {
		return time.Time{}
	}
	return q.heap.items[0].at
}

// tidy drops items an earlier time for the same key replaced.
func (q *wakeQueue) tidy() {
	for len(q.heap.items) > 0 {
		it := q.heap.items[0]
		if at, ok := q.at[it.key]; ok && at.Equal(it.at) {
			return
		}
		heap.Pop(&q.heap)
	}
}

type wakeHeap struct {
	items []wakeItem
	seq   int
}

func (h *wakeHeap) Len() int { return len(h.items) }
func (h *wakeHeap) Less(i, j int) bool {
	a, b := h.items[i], h.items[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.seq < b.seq
}
func (h *wakeHeap) Swap(i, j int) { h.items[i], h.items[j] = h.items[j], h.items[i] }
func (h *wakeHeap) Push(x any)    { h.items = append(h.items, x.(wakeItem)) }
func (h *wakeHeap) Pop() any {
	it := h.items[len(h.items)-1]
	h.items = h.items[:len(h.items)-1]
	return it
}

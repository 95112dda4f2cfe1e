package simulated

import (
	"cmp"
	"time"
)

// item is something that will happen.
type item struct {
	at  time.Time
	seq uint64
	do  func(now time.Time)
	op  *Op // the operation that ends with it, if any
}

// queue is a heap, by time and then by order of entry.
type queue []*item

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool { return compareItems(q[i], q[j]) < 0 }

func compareItems(a, b *item) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.seq, b.seq)) }

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

func (q *queue) Push(x any) { *q = append(*q, x.(*item)) }

func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}

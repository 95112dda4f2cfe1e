package scheduler

// queue is a heap of what knows its own order: the first one is on top, at 0.
type queue[T interface{ before(T) bool }] []T

func (q queue[T]) order() {
	for i := len(q)/2 - 1; i >= 0; i-- {
		q.sink(i)
	}
}

func (q *queue[T]) push(x T) {
	*q = append(*q, x)
	h := *q
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[i].before(h[up]) {
			return
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

func (q *queue[T]) pop() T {
	h := *q
	top, last := h[0], len(h)-1
	h[0] = h[last]
	*q = h[:last]
	q.sink(0)
	return top
}

// sink puts the element at i where it belongs when it comes later than it did.
func (q queue[T]) sink(i int) {
	for {
		first := i
		for k := 2*i + 1; k <= 2*i+2 && k < len(q); k++ {
			if q[k].before(q[first]) {
				first = k
			}
		}
		if first == i {
			return
		}
		q[i], q[first] = q[first], q[i]
		i = first
	}
}

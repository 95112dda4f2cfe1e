package manager

import "time"

// Times are told how long things took. They are called from the middle of it and must not wait; those left out are not
// asked.
type Times struct {
	Committed func(time.Duration) // from a batch's proposal to its outcome here
	Applied   func(time.Duration) // writing one batch into the tables; others wait for that long
	Read      func(time.Duration) // until a view was known to hold everything acknowledged
	Snapshot  func(time.Duration) // writing the state out
}

func (t Times) withDefaults() Times {
	for _, f := range []*func(time.Duration){&t.Committed, &t.Applied, &t.Read, &t.Snapshot} {
		if *f == nil {
			*f = func(time.Duration) {}
		}
	}
	return t
}

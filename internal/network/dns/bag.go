package dns

import (
	"slices"

	"github.com/tidwall/btree"
)

// bag holds lists by key. It is immutable: [bag.with] makes the next one, which shares with it what did not change.
type bag[T comparable] struct{ tree *btree.Map[string, []T] }

// get is a key's list, which stays the bag's; ok: the key is there.
func (b bag[T]) get(key string) (list []T, ok bool) {
	if b.tree == nil {
		return nil, false
	}
	return b.tree.Get(key)
}

// change is what a bag loses and gains.
type change[T comparable] struct{ gone, come map[string][]T }

func newChange[T comparable]() change[T] {
	return change[T]{gone: map[string][]T{}, come: map[string][]T{}}
}

// way is the direction of a change.
type way bool

const (
	goes  way = false
	comes way = true
)

func (c change[T]) put(w way, key string, v T) {
	list := c.gone
	if w == comes {
		list = c.come
	}
	list[key] = append(list[key], v)
}

// with is the bag after a change. A list is made anew once, however much of it changed.
func (b bag[T]) with(c change[T]) bag[T] {
	if len(c.gone)+len(c.come) == 0 {
		return b
	}
	next := btree.NewMap[string, []T](0)
	if b.tree != nil {
		next = b.tree.Copy()
	}
	for key, gone := range c.gone {
		leaving := make(map[T]bool, len(gone))
		for _, v := range gone {
			leaving[v] = true
		}
		old, _ := next.Get(key)
		kept := slices.DeleteFunc(slices.Clone(old), func(v T) bool { return leaving[v] })
		if len(kept) == 0 {
			next.Delete(key)
		} else {
			next.Set(key, slices.Clip(kept))
		}
	}
	for key, come := range c.come {
		old, _ := next.Get(key)
		next.Set(key, slices.Concat(old, come))
	}
	return bag[T]{next}
}

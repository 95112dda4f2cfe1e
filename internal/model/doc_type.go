package model

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Doc is a document of one of Docker's types, kept as the bytes that were sent so that fields this build does not
// know survive, together with its parsed form. Both are immutable.
type Doc[T any] struct {
	raw []byte
	val *T
}

// NewDoc parses raw and keeps it.
func NewDoc[T any](raw []byte) (Doc[T], error) {
	v := new(T)
	if err := json.Unmarshal(raw, v); err != nil {
		return Doc[T]{}, fmt.Errorf("parse %T: %w", *v, err)
	}
	return Doc[T]{raw: bytes.Clone(raw), val: v}, nil
}

// DocOf makes a document of a value skep built itself. T must be a type that encoding/json can marshal.
func DocOf[T any](v T) Doc[T] {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("model: %T cannot be marshalled: %v", v, err))
	}
	d, err := NewDoc[T](raw)
	if err != nil {
		panic(fmt.Sprintf("model: %T does not survive a round trip: %v", v, err))
	}
	return d
}

// Get returns the parsed form; the zero Doc gives a pointer to T's zero value. The caller must not change it.
func (d Doc[T]) Get() *T {
	if d.val == nil {
		return new(T)
	}
	return d.val
}

// Raw returns the bytes as sent. The caller must not change them.
func (d Doc[T]) Raw() []byte { return d.raw }

// IsZero reports whether there is no document.
func (d Doc[T]) IsZero() bool { return d.val == nil }

package model

import "encoding/binary"

// Key is the primary key of a row: an id, and for rows that belong to two objects a second one (a slot number
// counts as an id). It is of fixed size so that comparing keys costs no allocation.
type Key struct{ A, B ID }

// KeyOf is the key of a row that one id names.
func KeyOf(id ID) Key { return Key{A: id} }

// KeyPair is the key of a row that two ids name.
func KeyPair(a, b ID) Key { return Key{a, b} }

// Compare orders keys by A, then by B.
func (k Key) Compare(o Key) int {
	if c := k.A.Compare(o.A); c != 0 {
		return c
	}
	return k.B.Compare(o.B)
}

// NumID makes an id of a number, so that slot numbers and raft ids can stand in a [Key].
func NumID(n uint64) ID {
	var id ID
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}

package model

import (
	"bytes"
	"errors"
	"math/big"
	"strings"
)

// IDLen is the length of an id's text form: swarm's 25 base-36 characters.
const IDLen = 25

// ID identifies a cluster object: 128 random bits, printed the way swarm prints its ids. The zero ID means "none"
// and prints as the empty string.
type ID [16]byte

// ErrBadID is returned for text that is not an id.
var ErrBadID = errors.New("not an id: an id has 25 characters of 0-9 and a-z")

// IsZero reports whether the id is absent.
func (id ID) IsZero() bool { return id == ID{} }

func (id ID) String() string {
	if id.IsZero() {
		return ""
	}
	s := new(big.Int).SetBytes(id[:]).Text(36)
	return strings.Repeat("0", IDLen-len(s)) + s
}

// Compare orders ids by their bytes, which is also the order of their text.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// ParseID reads an id's text form; the empty string is the zero ID.
func ParseID(s string) (ID, error) {
	var id ID
	if s == "" {
		return id, nil
	}
	if len(s) != IDLen || strings.ToLower(s) != s {
		return id, ErrBadID
	}
	n, ok := new(big.Int).SetString(s, 36)
	if !ok || n.Sign() < 0 || n.BitLen() > 128 || s[0] == '-' || s[0] == '+' {
		return id, ErrBadID
	}
	n.FillBytes(id[:])
	return id, nil
}

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(b []byte) error {
	p, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = p
	return nil
}

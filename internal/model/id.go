package model

import (
	"encoding/binary"
	"errors"
	"math/big"
	"math/bits"
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
	// Two divisions by 36^12 leave three numbers of one word, of 1, 12 and 12 digits.
	const half = IDLen / 2
	hi, lo := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
	rest, last := bits.Div64(hi%base36to12, lo, base36to12)
	first, middle := bits.Div64(hi/base36to12, rest, base36to12)
	var text [IDLen]byte
	digits(text[:1], first)
	digits(text[1:1+half], middle)
	digits(text[1+half:], last)
	return string(text[:])
}

const base36to12 = 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36

// digits fills out with a number's last digits.
func digits(out []byte, n uint64) {
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[n%36]
		n /= 36
	}
}

// Compare orders ids by their bytes, which is also the order of their text.
func (id ID) Compare(other ID) int {
	a, b := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(other[:8])
	if a == b {
		a, b = binary.BigEndian.Uint64(id[8:]), binary.BigEndian.Uint64(other[8:])
	}
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

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

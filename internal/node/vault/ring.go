package vault

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"strconv"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/store/wal"
)

// Forms of raft.key. One that was never touched by a lock is the oldest form, 64 hexadecimal digits, which the releases
// before locking wrote.
const (
	openType    = "SKEP KEYS"
	lockedType  = "SKEP LOCKED KEYS"
	versionHead = "Version"

	ringPurpose = "skep: the keys of a manager's log"
)

var errForm = errors.New("does not hold keys of a raft log; restore it from a backup, or let this manager join anew")

// openRing reads raft.key. The lock it returns has the unlock key that opened it.
func openRing(raw []byte, unlock string) ([]wal.Key, Lock, error) {
	raw = bytes.TrimSpace(raw)
	block, _ := pem.Decode(raw)
	if block == nil {
		var key wal.Key
		if n, err := hex.Decode(key[:], raw[:min(len(raw), 2*len(key))]); err != nil || n != len(key) || len(raw) != 2*len(key) {
			return nil, Lock{}, errForm
		}
		return []wal.Key{key}, Lock{}, nil
	}
	version, err := strconv.ParseUint(block.Headers[versionHead], 10, 64)
	if err != nil {
		return nil, Lock{}, errForm
	}
	l := Lock{Version: version}
	body := block.Bytes
	switch block.Type {
	case openType:
	case lockedType:
		if unlock == "" {
			return nil, Lock{}, ErrLocked
		}
		secret, err := identity.ParseUnlockKey(unlock)
		if err != nil {
			return nil, Lock{}, ErrWrongKey
		}
		if body, err = identity.Open(secret, ringPurpose, versionBytes(version), body); err != nil {
			return nil, Lock{}, ErrWrongKey
		}
		l.Key = unlock
	default:
		return nil, Lock{}, errForm
	}
	ring, err := cutRing(body)
	return ring, l, err
}

func cutRing(body []byte) ([]wal.Key, error) {
	var ring []wal.Key
	for len(body) >= len(wal.Key{}) {
		ring = append(ring, wal.Key(body))
		body = body[len(wal.Key{}):]
	}
	if len(body) > 0 || len(ring) == 0 {
		return nil, errForm
	}
	return ring, nil
}

// writeRing is what raft.key holds.
func writeRing(rand io.Reader, ring []wal.Key, l Lock) ([]byte, error) {
	if l == (Lock{}) && len(ring) == 1 {
		return append(hex.AppendEncode(nil, ring[0][:]), '\n'), nil
	}
	var body []byte
	for _, key := range ring {
		body = append(body, key[:]...)
	}
	block := &pem.Block{Type: openType, Headers: map[string]string{versionHead: strconv.FormatUint(l.Version, 10)}, Bytes: body}
	if l.Key == "" {
		return pem.EncodeToMemory(block), nil
	}
	secret, err := identity.ParseUnlockKey(l.Key)
	if err != nil {
		return nil, err
	}
	block.Type = lockedType
	block.Bytes, err = identity.Seal(rand, secret, ringPurpose, versionBytes(l.Version), body)
	return pem.EncodeToMemory(block), err
}

// versionBytes binds the version, which is in the clear, to what is sealed.
func versionBytes(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

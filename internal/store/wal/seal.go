package wal

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"
	"golang.org/x/crypto/chacha20poly1305"
)

// sealVersion is the first byte of all sealed data.
const sealVersion = 1

var (
	errSealed  = errors.New("it was written with another key or is damaged")
	errVersion = errors.New("it was written by a newer version of skep; upgrade this manager")
)

// sealer seals with one key and opens what was sealed with that or an older one.
type sealer struct {
	aead  cipher.AEAD
	older []cipher.AEAD
}

func newSealer(key Key, older ...Key) (sealer, error) {
	var s sealer
	var err error
	if s.aead, err = chacha20poly1305.NewX(key[:]); err != nil {
		return s, err
	}
	for _, k := range older {
		aead, err := chacha20poly1305.NewX(k[:])
		if err != nil {
			return s, err
		}
		s.older = append(s.older, aead)
	}
	return s, nil
}

// seal returns version, nonce and ciphertext. Random nonces of 24 bytes do not repeat in any lifetime of a cluster.
func (s sealer) seal(plain, bound []byte) ([]byte, error) {
	n := s.aead.NonceSize()
	out := make([]byte, 1+n, 1+n+len(plain)+s.aead.Overhead())
	out[0] = sealVersion
	if _, err := rand.Read(out[1:]); err != nil {
		return nil, fmt.Errorf("wal: no randomness to seal with: %w", err)
	}
	return s.aead.Seal(out, out[1:1+n], plain, bound), nil
}

func (s sealer) open(sealed, bound []byte) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) > 0 && sealed[0] > sealVersion {
		return nil, errVersion
	}
	if len(sealed) < 1+n || sealed[0] != sealVersion {
		return nil, errSealed
	}
	plain, err := s.aead.Open(nil, sealed[1:1+n], sealed[1+n:], bound)
	for i := 0; err != nil && i < len(s.older); i++ {
		plain, err = s.older[i].Open(nil, sealed[1:1+n], sealed[1+n:], bound)
	}
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// bindEntry is what ties sealed data to its place in the log.
func bindEntry(e *pb.Entry) []byte {
	b := append([]byte("skep entry "), byte(e.GetType()))
	b = binary.BigEndian.AppendUint64(b, e.GetIndex())
	return binary.BigEndian.AppendUint64(b, e.GetTerm())
}

// sealEntry returns a copy whose data is sealed. Empty data is sealed too, so that nobody can empty an entry.
func (s sealer) sealEntry(e *pb.Entry, m mark) (*pb.Entry, error) {
	data, err := s.seal(m.prefix(e.GetData()), bindEntry(e))
	if err != nil {
		return nil, err
	}
	return &pb.Entry{Term: e.Term, Index: e.Index, Type: e.Type, Data: data}, nil
}

// openEntry opens e's data in place.
func (s sealer) openEntry(e *pb.Entry) (mark, error) {
	plain, err := s.open(e.GetData(), bindEntry(e))
	if err != nil {
		return mark{}, err
	}
	m, data, err := cutMark(plain)
	e.Data = data
	return m, err
}

// mark says which save an entry came with. Saves are fsynced one after the other, so an entry of a later save proves
// that all earlier ones had reached the disk: a torn end of the log is told from damage by it.
type mark struct {
	save uint64
	last bool // the save's last entry
}

const markSize = 9

func (m mark) prefix(data []byte) []byte {
	b := make([]byte, 0, markSize+len(data))
	b = binary.BigEndian.AppendUint64(b, m.save)
	if m.last {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	return append(b, data...)
}

func cutMark(plain []byte) (mark, []byte, error) {
	if len(plain) < markSize {
		return mark{}, nil, errSealed
	}
	m := mark{save: binary.BigEndian.Uint64(plain), last: plain[8] == 1}
	if len(plain) == markSize {
		return m, nil, nil
	}
	return m, plain[markSize:], nil
}

package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
)

// What is wrong with a file that is to be a backup.
var (
	ErrNoBackup = errors.New("it is not a backup made by skep backup")
	ErrDamaged  = errors.New("the backup is damaged or was cut off; use another one")
)

// Reader gives out the state of a backup, and io.EOF only when the checksum was right.
type Reader struct {
	Header Header

	r    io.Reader
	sum  hash.Hash
	rest []byte
	err  error
}

// Open reads the header. The reader reads r to its end.
func Open(r io.Reader) (*Reader, error) {
	b := &Reader{r: r, sum: sha256.New()}
	var start [len(magic)]byte
	if err := b.fill(start[:]); err != nil {
		if errors.Is(err, ErrDamaged) {
			err = ErrNoBackup
		}
		return nil, err
	}
	if string(start[:]) != magic {
		return nil, ErrNoBackup
	}
	head, err := b.frame()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(head, &b.Header); err != nil {
		return nil, fmt.Errorf("its header cannot be read: %w", ErrDamaged)
	}
	return b, nil
}

// Verify reads a backup to its end and returns what it is of.
func Verify(r io.Reader) (Header, error) {
	b, err := Open(r)
	if err != nil {
		return Header{}, err
	}
	_, err = io.Copy(io.Discard, b)
	return b.Header, err
}

// Read implements io.Reader.
func (b *Reader) Read(p []byte) (int, error) {
	for len(b.rest) == 0 && b.err == nil {
		if b.rest, b.err = b.frame(); b.err == nil && len(b.rest) == 0 {
			b.err = b.end()
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	if n == 0 {
		return 0, b.err
	}
	return n, nil
}

func (b *Reader) frame() ([]byte, error) {
	var head [4]byte
	if err := b.fill(head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > frameSize {
		return nil, ErrDamaged
	}
	p := make([]byte, n)
	if err := b.fill(p); err != nil {
		return nil, err
	}
	return p, nil
}

// end checks the checksum, and that nothing follows it.
func (b *Reader) end() error {
	want := b.sum.Sum(nil)
	got := make([]byte, len(want))
	if err := b.fill(got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return ErrDamaged
	}
	switch n, err := io.ReadFull(b.r, make([]byte, 1)); {
	case n > 0:
		return ErrDamaged
	case errors.Is(err, io.EOF):
		return io.EOF
	default:
		return err
	}
}

func (b *Reader) fill(p []byte) error {
	_, err := io.ReadFull(b.r, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrDamaged
	}
	if err == nil {
		_, err = b.sum.Write(p)
	}
	return err
}

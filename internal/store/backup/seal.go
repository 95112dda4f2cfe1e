package backup

import (
	"bufio"
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/scrypt"
)

const (
	sealedMagic = "skep sealed backup 1\n"
	saltSize    = 16
	// logN is scrypt's cost: 64 MiB and a fifth of a second. Files say theirs, up to what a node can bear.
	logN, logNMost = 16, 20
)

// Errors of opening a sealed backup.
var (
	ErrNeedsPassphrase = errors.New("the backup is sealed: give its passphrase")
	ErrPassphrase      = errors.New("the passphrase is not the backup's, or the backup is damaged")
)

// sealed is the state of either direction. The key is the file's own, so a chunk's number is nonce enough; the nonce's
// last byte says whether it is the last one, so that none can be cut off.
type sealed struct {
	aead   cipher.AEAD
	number uint64
	head   []byte
}

func newSealed(head, passphrase []byte) (*sealed, error) {
	salt, cost := head[len(sealedMagic):len(head)-1], head[len(head)-1]
	key, err := scrypt.Key(passphrase, salt, 1<<cost, 8, 1, chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("make a key of the passphrase: %w", err)
	}
	aead, err := chacha20poly1305.NewX(key)
	return &sealed{aead: aead, head: head}, err
}

func (s *sealed) nonce(last bool) []byte {
	n := make([]byte, s.aead.NonceSize())
	binary.BigEndian.PutUint64(n, s.number)
	if last {
		n[len(n)-1] = 1
	}
	s.number++
	return n
}

// Seal returns a writer that seals what is written with a passphrase. It counts only after Close.
func Seal(w io.Writer, random io.Reader, passphrase []byte) (io.WriteCloser, error) {
	return seal(w, random, passphrase, logN)
}

func seal(w io.Writer, random io.Reader, passphrase []byte, cost byte) (io.WriteCloser, error) {
	if len(passphrase) == 0 {
		return nil, errors.New("the passphrase is empty")
	}
	head := append([]byte(sealedMagic), make([]byte, saltSize+1)...)
	if _, err := io.ReadFull(random, head[len(sealedMagic):]); err != nil {
		return nil, fmt.Errorf("draw the backup's salt: %w", err)
	}
	head[len(head)-1] = cost
	s, err := newSealed(head, passphrase)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(head); err != nil {
		return nil, err
	}
	return &sealer{sealed: s, w: w}, nil
}

type sealer struct {
	*sealed
	w   io.Writer
	buf []byte
}

func (s *sealer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if len(s.buf) == frameSize {
			if err := s.chunk(false); err != nil {
				return n, err
			}
		}
		k := min(frameSize-len(s.buf), len(p))
		s.buf = append(s.buf, p[:k]...)
		n, p = n+k, p[k:]
	}
	return n, nil
}

func (s *sealer) chunk(last bool) error {
	_, err := s.w.Write(s.aead.Seal(nil, s.nonce(last), s.buf, s.head))
	s.buf = s.buf[:0]
	return err
}

// Close writes the last chunk. It does not close what is below.
func (s *sealer) Close() error { return s.chunk(true) }

// Unseal returns a reader of the backup in r, sealed or not. A sealed one needs its passphrase.
func Unseal(r io.Reader, passphrase []byte) (io.Reader, error) {
	br := bufio.NewReaderSize(r, frameSize+chacha20poly1305.Overhead+1)
	start, err := br.Peek(len(sealedMagic))
	if !bytes.Equal(start, []byte(sealedMagic)) {
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return br, nil
	}
	if len(passphrase) == 0 {
		return nil, ErrNeedsPassphrase
	}
	head := make([]byte, len(sealedMagic)+saltSize+1)
	if _, err := io.ReadFull(br, head); err != nil || head[len(head)-1] == 0 || head[len(head)-1] > logNMost {
		return nil, ErrDamaged
	}
	s, err := newSealed(head, passphrase)
	if err != nil {
		return nil, err
	}
	return &unsealer{sealed: s, r: br}, nil
}

type unsealer struct {
	*sealed
	r    *bufio.Reader
	rest []byte
	err  error
}

// Read implements io.Reader.
func (u *unsealer) Read(p []byte) (int, error) {
	for len(u.rest) == 0 && u.err == nil {
		u.rest, u.err = u.chunk()
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	if n == 0 {
		return 0, u.err
	}
	return n, nil
}

// chunk opens the next chunk; with the last one comes io.EOF.
func (u *unsealer) chunk() ([]byte, error) {
	buf := make([]byte, frameSize+u.aead.Overhead())
	n, err := io.ReadFull(u.r, buf)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	_, end := u.r.Peek(1)
	last := errors.Is(end, io.EOF)
	plain, err := u.aead.Open(buf[:0], u.nonce(last), buf[:n], u.head)
	if err != nil {
		return nil, ErrPassphrase
	}
	if last {
		return plain, io.EOF
	}
	return plain, nil
}

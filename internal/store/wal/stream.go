package wal

import (
	"bufio"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A sealed stream is magic, a random prefix, then frames of length and ciphertext. A frame's nonce is the prefix, its
// number and whether it is the last, so that frames cannot be swapped, dropped or cut off at the end.
const (
	streamMagic = "skepsnp1"
	prefixSize  = 19
	frameSize   = 64 << 10
)

type streamWriter struct {
	w      io.Writer
	aead   cipher.AEAD
	prefix [prefixSize]byte
	number uint32
	buf    []byte
}

func (s sealer) newStreamWriter(w io.Writer) (*streamWriter, error) {
	sw := &streamWriter{w: w, aead: s.aead, buf: make([]byte, 0, frameSize)}
	if _, err := rand.Read(sw.prefix[:]); err != nil {
		return nil, fmt.Errorf("wal: no randomness to seal with: %w", err)
	}
	_, err := w.Write(append([]byte(streamMagic), sw.prefix[:]...))
	return sw, err
}

func (s *streamWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if len(s.buf) == frameSize {
			if err := s.frame(false); err != nil {
				return n, err
			}
		}
		k := min(frameSize-len(s.buf), len(p))
		s.buf = append(s.buf, p[:k]...)
		n, p = n+k, p[k:]
	}
	return n, nil
}

// frame writes what is buffered.
func (s *streamWriter) frame(last bool) error {
	if s.number == 1<<32-1 {
		return errors.New("wal: the snapshot is larger than 256 TiB")
	}
	sealed := s.aead.Seal(make([]byte, 4, 4+len(s.buf)+s.aead.Overhead()), frameNonce(s.prefix, s.number, last), s.buf, []byte(streamMagic))
	binary.BigEndian.PutUint32(sealed, uint32(len(sealed)-4))
	s.number++
	s.buf = s.buf[:0]
	_, err := s.w.Write(sealed)
	return err
}

// finish writes the last frame; without it the stream does not count.
func (s *streamWriter) finish() error { return s.frame(true) }

func frameNonce(prefix [prefixSize]byte, number uint32, last bool) []byte {
	b := binary.BigEndian.AppendUint32(prefix[:], number)
	if last {
		return append(b, 1)
	}
	return append(b, 0)
}

type streamReader struct {
	r      *bufio.Reader
	aead   cipher.AEAD
	older  []cipher.AEAD // that the first frame may turn out to be sealed with
	prefix [prefixSize]byte
	number uint32
	sealed []byte
	plain  []byte
	last   bool
}

func (s sealer) newStreamReader(r io.Reader) (*streamReader, error) {
	sr := &streamReader{r: bufio.NewReaderSize(r, frameSize), aead: s.aead, older: s.older}
	var head [len(streamMagic) + prefixSize]byte
	if _, err := io.ReadFull(sr.r, head[:]); err != nil {
		return nil, errSealed
	}
	if string(head[:len(streamMagic)]) != streamMagic {
		return nil, errSealed
	}
	copy(sr.prefix[:], head[len(streamMagic):])
	return sr, nil
}

// Read implements io.Reader. It returns io.EOF only after the last frame.
func (s *streamReader) Read(p []byte) (int, error) {
	for len(s.plain) == 0 {
		if s.last {
			return 0, io.EOF
		}
		if err := s.frame(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.plain)
	s.plain = s.plain[n:]
	return n, nil
}

func (s *streamReader) frame() error {
	var head [4]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return errSealed
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > frameSize+uint32(s.aead.Overhead()) {
		return errSealed
	}
	if cap(s.sealed) < int(n) {
		s.sealed = make([]byte, frameSize+s.aead.Overhead())
	}
	s.sealed = s.sealed[:n]
	if _, err := io.ReadFull(s.r, s.sealed); err != nil {
		return errSealed
	}
	_, err := s.r.Peek(1)
	s.last = errors.Is(err, io.EOF)
	nonce := frameNonce(s.prefix, s.number, s.last)
	if s.number == 0 {
		s.chooseKey(nonce)
	}
	plain, err := s.aead.Open(s.sealed[:0], nonce, s.sealed, []byte(streamMagic))
	if err != nil {
		return errSealed
	}
	s.number++
	s.plain = plain
	return nil
}

// chooseKey finds the key that the first frame, and so the stream, is sealed with.
func (s *streamReader) chooseKey(nonce []byte) {
	for _, one := range s.older {
		if _, err := one.Open(nil, nonce, s.sealed, []byte(streamMagic)); err == nil {
			s.aead = one
			return
		}
	}
}

package identity

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	unlockPrefix = "SWMKEY-1-" // swarm's
	unlockBytes  = 32
)

// ErrBadUnlockKey is returned for text that is no unlock key; the sentence is swarm's.
var ErrBadUnlockKey = errors.New("invalid key string")

// ErrSealed is returned for what cannot be opened with the key given.
var ErrSealed = errors.New("it was sealed with another key, or is damaged")

// UnlockKey draws a key that unlocks managers, in swarm's form.
func UnlockKey(rand io.Reader) (string, error) {
	var key [unlockBytes]byte
	if _, err := io.ReadFull(rand, key[:]); err != nil {
		return "", fmt.Errorf("draw an unlock key: %w", err)
	}
	return unlockPrefix + base64.RawStdEncoding.EncodeToString(key[:]), nil
}

// ParseUnlockKey reads what UnlockKey wrote. As with swarm a key of another length is a key, which unlocks nothing.
func ParseUnlockKey(s string) ([]byte, error) {
	text, ok := strings.CutPrefix(s, unlockPrefix)
	key, err := base64.RawStdEncoding.DecodeString(text)
	if !ok || err != nil {
		return nil, ErrBadUnlockKey
	}
	return key, nil
}

// Seal encrypts with XChaCha20-Poly1305 under a key derived from secret for one purpose; bound is what is told apart from
// the purpose and kept in the clear. Who knows what is sealed for one purpose cannot pass it off as sealed for another.
func Seal(rand io.Reader, secret []byte, purpose string, bound, plain []byte) ([]byte, error) {
	aead, err := sealer(secret, purpose)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return nil, fmt.Errorf("no randomness to seal with: %w", err)
	}
	return aead.Seal(nonce, nonce, plain, bound), nil
}

// Open decrypts what Seal made.
func Open(secret []byte, purpose string, bound, sealed []byte) ([]byte, error) {
	aead, err := sealer(secret, purpose)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, ErrSealed
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], bound)
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// sealer is XChaCha20-Poly1305 under a key derived from secret for one purpose.
func sealer(secret []byte, purpose string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, purpose, chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	return aead, nil
}

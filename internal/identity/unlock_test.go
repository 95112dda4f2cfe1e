package identity

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
)

func TestUnlockKey(t *testing.T) {
	text, err := UnlockKey(bytes.NewReader(bytes.Repeat([]byte{0xff}, 40)))
	if err != nil || text != "SWMKEY-1-"+strings.Repeat("/", 42)+"8" {
		t.Errorf("%s, %v", text, err)
	}
	key, err := ParseUnlockKey(text)
	if err != nil || !bytes.Equal(key, bytes.Repeat([]byte{0xff}, 32)) {
		t.Errorf("read back as %x, %v", key, err)
	}
	for _, bad := range []string{"", "abc", "SWMKEY-2-" + text[9:], text + "=", text[:20] + " ", "SWMTKN-1-x"} {
		if _, err := ParseUnlockKey(bad); !errors.Is(err, ErrBadUnlockKey) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := UnlockKey(bytes.NewReader(nil)); err == nil {
		t.Error("a key without randomness")
	}
}

func TestSeal(t *testing.T) {
	sealed, err := Seal(rand.Reader, []byte("secret"), "a test", []byte("bound"), []byte("plain"))
	if err != nil || bytes.Contains(sealed, []byte("plain")) {
		t.Fatalf("%q, %v", sealed, err)
	}
	if got, err := Open([]byte("secret"), "a test", []byte("bound"), sealed); err != nil || string(got) != "plain" {
		t.Errorf("%q, %v", got, err)
	}
	for name, try := range map[string]func() ([]byte, error){
		"another secret":  func() ([]byte, error) { return Open([]byte("Secret"), "a test", []byte("bound"), sealed) },
		"no secret":       func() ([]byte, error) { return Open(nil, "a test", []byte("bound"), sealed) },
		"another purpose": func() ([]byte, error) { return Open([]byte("secret"), "b test", []byte("bound"), sealed) },
		"another bound":   func() ([]byte, error) { return Open([]byte("secret"), "a test", []byte("bounds"), sealed) },
		"cut off": func() ([]byte, error) {
			return Open([]byte("secret"), "a test", []byte("bound"), sealed[:len(sealed)-1])
		},
		"nothing": func() ([]byte, error) { return Open([]byte("secret"), "a test", []byte("bound"), nil) },
	} {
		if _, err := try(); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range sealed {
		flipped := bytes.Clone(sealed)
		flipped[i] ^= 1
		if _, err := Open([]byte("secret"), "a test", []byte("bound"), flipped); !errors.Is(err, ErrSealed) {
			t.Errorf("bit of byte %d flipped: %v", i, err)
		}
	}
}

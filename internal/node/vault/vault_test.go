package vault

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/store/wal"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRingFile: the file of a manager that was never locked is as it always was; what is no such file is refused.
func TestRingFile(t *testing.T) {
	dir := t.TempDir()
	key, older, err := New(dir, rand.Reader).Log()
	if err != nil || key == (wal.Key{}) || len(older) > 0 {
		t.Fatalf("%v, %d older, %v", key, len(older), err)
	}
	path := filepath.Join(dir, ringFile)
	raw, err := os.ReadFile(path)
	if err != nil || len(raw) != 65 {
		t.Errorf("%q, %v", raw, err)
	}
	v, err := Open(dir, true, rand.Reader, "")
	ok(t, err)
	if again, _, err := v.Log(); err != nil || again != key {
		t.Errorf("read back as another key: %v", err)
	}
	ok(t, os.Chmod(path, 0o644))
	if _, err := Open(dir, true, rand.Reader, ""); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key file that everybody may read: %v", err)
	}
	ok(t, os.Remove(path))
	if _, err := Open(dir, true, rand.Reader, ""); err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
		t.Errorf("no key file: %v", err)
	}
	block := "-----BEGIN SKEP KEYS-----\nVersion: 3\n\nAAAA\n-----END SKEP KEYS-----\n"
	for _, content := range []string{"", "abc", strings.Repeat("g", 64), strings.Repeat("a", 66), block, strings.Replace(block, "3", "x", 1)} {
		ok(t, os.WriteFile(path, []byte(content), 0o600))
		if _, err := Open(dir, true, rand.Reader, ""); !errors.Is(err, errForm) {
			t.Errorf("a key file of %q: %v", content, err)
		}
	}
}

// TestNothingInTheClear looks for the secrets of a locked manager in all its files.
func TestNothingInTheClear(t *testing.T) {
	dir, keys := t.TempDir(), unlockKeys(t)
	v := New(dir, rand.Reader)
	before, _, err := v.Log()
	ok(t, err)
	first := issue(t)
	ok(t, v.Save(first))
	ok(t, v.Lock(Lock{Key: keys["A"], Version: 3}))
	after, older, err := v.Log()
	if err != nil || after == before || len(older) != 1 || older[0] != before {
		t.Errorf("locked, the log goes on under the key that was on disk: %v", err)
	}
	second := issue(t)
	for range 2 {
		files, err := os.ReadDir(dir)
		ok(t, err)
		for _, f := range files {
			raw, err := os.ReadFile(filepath.Join(dir, f.Name()))
			ok(t, err)
			for name, secret := range map[string][]byte{"private key": first.Key, "next private key": second.Key, "log key": after[:], "unlock key": []byte(keys["A"][9:])} {
				if bytes.Contains(raw, secret) {
					t.Errorf("%s holds the %s", f.Name(), name)
				}
			}
			if strings.Contains(string(raw), "PRIVATE KEY") {
				t.Errorf("%s holds a private key", f.Name())
			}
		}
		ok(t, v.Save(second))
	}
	// What is sealed cannot be given another version, which would have old words believed.
	path := filepath.Join(dir, ringFile)
	raw, err := os.ReadFile(path)
	ok(t, err)
	ok(t, os.WriteFile(path, bytes.Replace(raw, []byte("Version: 3"), []byte("Version: 2"), 1), 0o600))
	if _, err := Open(dir, true, rand.Reader, keys["A"]); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another version: %v", err)
	}
}

func TestTheRingIsBounded(t *testing.T) {
	v := New(t.TempDir(), rand.Reader)
	var ring []wal.Key
	for range 2 * maxRing {
		var err error
		ring, err = v.draw(ring)
		ok(t, err)
	}
	if len(ring) != maxRing {
		t.Errorf("%d keys", len(ring))
	}
}

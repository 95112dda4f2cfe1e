package vault

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store/wal"
)

// unlockKeys are those of the scripts, by letter.
func unlockKeys(t *testing.T) map[string]string {
	t.Helper()
	keys := map[string]string{}
	for _, name := range []string{"A", "B", "C"} {
		key, err := identity.UnlockKey(bytes.NewReader(bytes.Repeat([]byte(name), 32)))
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = key
	}
	return keys
}

// issue makes a certificate of a node.
func issue(t *testing.T) identity.Keys {
	t.Helper()
	root, err := identity.NewRoot(rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := root.Issue(rand.Reader, time.Now(), model.NumID(1), model.NumID(2), model.RoleManager, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return identity.Keys{Cert: cert.Cert, Key: cert.Key, Roots: root.Cert}
}

var errCrash = errors.New("the machine has lost power")

// TestCrash runs each step of a script once whole and, from the same state, once for each change of the disk it makes, with
// a crash there. It prints with what key the directory opens then, and checks that it does, that certificate and private
// key fit, that the key of the log is still there, and that the step can be done again.
func TestCrash(t *testing.T) {
	datadriven.Walk(t, "testdata/crash", func(t *testing.T, path string) {
		keys := unlockKeys(t)
		s := &scene{dir: t.TempDir(), keys: keys}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			step := s.step(t, d)
			var out strings.Builder
			for n := 0; ; n++ {
				dir := t.TempDir()
				if err := copyDir(dir, s.dir); err != nil {
					t.Fatal(err)
				}
				what, crashed := s.crash(t, dir, n, step)
				if !crashed {
					break
				}
				fmt.Fprintf(&out, "crash at %-20s %s\n", what+":", s.restart(t, dir, step))
			}
			v := s.open(t, s.dir)
			if err := step(v); err != nil {
				t.Fatalf("%s: %v", d.Pos, err)
			}
			if key, _, err := v.Log(); s.manager && err != nil {
				t.Fatal(err)
			} else if s.manager {
				s.logKeys = append(s.logKeys, key)
			}
			fmt.Fprintf(&out, "done: %s\n", s.state(t, s.dir))
			return out.String()
		})
	})
}

// scene is the directory as the steps so far left it.
type scene struct {
	dir     string
	manager bool
	keys    map[string]string
	logKeys []wal.Key // that the log has been sealed with
}

func (s *scene) step(t *testing.T, d *datadriven.TestData) func(*Vault) error {
	switch d.Cmd {
	case "certificate": // with what the managers say about the lock
		k, l := issue(t), s.lockOf(t, d)
		return func(v *Vault) error {
			if err := v.Lock(l); err != nil {
				return err
			}
			return v.Save(k)
		}
	case "lock":
		l := s.lockOf(t, d)
		return func(v *Vault) error { return v.Lock(l) }
	case "promote":
		return func(v *Vault) error { _, _, err := v.Log(); s.manager = err == nil; return err }
	case "demote":
		s.manager = false
		s.logKeys = nil
		return func(v *Vault) error { return errors.Join(v.Expose(), v.Drop()) }
	}
	t.Fatalf("%s: no step %s", d.Pos, d.Cmd)
	return nil
}

func (s *scene) lockOf(t *testing.T, d *datadriven.TestData) Lock {
	var l Lock
	if d.HasArg("key") {
		d.ScanArgs(t, "key", &l.Key)
		d.ScanArgs(t, "version", &l.Version)
	}
	l.Key = s.keys[l.Key] // none: empty
	return l
}

func copyDir(to, from string) error {
	files, err := os.ReadDir(from)
	for _, f := range files {
		b, rerr := os.ReadFile(filepath.Join(from, f.Name()))
		err = errors.Join(err, rerr, os.WriteFile(filepath.Join(to, f.Name()), b, 0o600))
	}
	return err
}

// tries are the keys to open with, none first.
func (s *scene) tries() []string { return []string{"none", "A", "B", "C"} }

func (s *scene) open(t *testing.T, dir string) *Vault {
	t.Helper()
	for _, name := range s.tries() {
		if v, err := Open(dir, s.manager, rand.Reader, s.keys[name]); err == nil {
			return v
		} else if !errors.Is(err, ErrLocked) && !errors.Is(err, ErrWrongKey) {
			t.Fatal(err)
		}
	}
	t.Fatal("no key opens the directory")
	return nil
}

// crash runs a step until its nth change of the disk.
func (s *scene) crash(t *testing.T, dir string, n int, step func(*Vault) error) (what string, crashed bool) {
	manager := s.manager
	defer func() { s.manager = manager }()
	v := s.open(t, dir)
	v.disk.step = func(w string) error {
		if n == 0 && !crashed {
			what, crashed = w, true
			if name, ok := strings.CutPrefix(w, "write "); ok { // a torn file
				if err := os.WriteFile(filepath.Join(dir, name), []byte("-----BEGIN SKEP LOC"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		if crashed {
			return errCrash
		}
		n--
		return nil
	}
	if err := step(v); crashed != errors.Is(err, errCrash) || !crashed && err != nil {
		t.Fatalf("crash at %q: the step says %v", what, err)
	}
	return what, crashed
}

// restart is what a node that comes back finds.
func (s *scene) restart(t *testing.T, dir string, step func(*Vault) error) string {
	t.Helper()
	manager := s.manager
	defer func() { s.manager = manager }()
	out := s.state(t, dir)
	v := s.open(t, dir)
	if err := step(v); err != nil {
		t.Fatalf("again after the crash: %v", err)
	}
	s.state(t, dir)
	return out
}

// state opens the directory with every key, and says which one does, and how the files are.
func (s *scene) state(t *testing.T, dir string) string {
	t.Helper()
	var opens []string
	for _, name := range s.tries() {
		copied := t.TempDir()
		if err := copyDir(copied, dir); err != nil {
			t.Fatal(err)
		}
		v, err := Open(copied, s.manager, rand.Reader, s.keys[name])
		if err != nil {
			if name == "none" && !errors.Is(err, ErrLocked) || name != "none" && !errors.Is(err, ErrWrongKey) {
				t.Fatalf("with %s: %v", name, err)
			}
			continue
		}
		opens = append(opens, name)
		s.check(t, copied, v)
	}
	switch {
	case len(opens) == len(s.tries()):
		return "not locked"
	case len(opens) != 1:
		t.Fatalf("opens with %v", opens)
	}
	return "locked by " + opens[0]
}

func (s *scene) check(t *testing.T, dir string, v *Vault) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, certFile)); err == nil {
		k, err := v.Keys()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Client(model.RoleManager); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, keyFile))
		if err != nil || bytes.Contains(raw, []byte(lockedKeyType)) != (v.Unlock() != "") {
			t.Fatalf("the private key is not as the lock %q says: %v", v.Unlock(), err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*"+next)); len(left) > 0 {
			t.Fatalf("left behind: %v", left)
		}
	}
	if !s.manager {
		return
	}
	key, older, err := v.Log()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range s.logKeys {
		if !slices.Contains(append(older, key), want) {
			t.Fatal("a key of the log is lost")
		}
	}
}

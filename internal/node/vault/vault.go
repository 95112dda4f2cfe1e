package vault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"github.com/skep-org/skep/internal/store/wal"
)

// Names of the files.
const (
	ringFile = "raft.key"
	certFile = "node.crt"
	keyFile  = "node.key"
	rootFile = "ca.crt"
)

var (
	// ErrLocked: the unlock key is needed.
	ErrLocked = errors.New("this manager is locked: its keys are encrypted, and the unlock key is needed")
	// ErrWrongKey: the unlock key given is not that of this manager.
	ErrWrongKey = errors.New("the unlock key is not the one that this manager was locked with")
)

// maxRing bounds the ring: a cluster locked and unlocked more often goes on with the newest key.
const maxRing = 64

// Vault is a membership's directory. Its methods may be called from any goroutine.
type Vault struct {
	disk disk
	rand io.Reader

	mu     sync.Mutex
	ring   []wal.Key // newest first; nil: a worker's
	lock   Lock      // as raft.key has it
	sealed bool      // node.key is
}

// Open reads the vault in dir. A manager's needs its ring; a worker's needs it when a crash left its private key sealed.
// unlock is tried on a ring that is sealed.
func Open(dir string, manager bool, rand io.Reader, unlock string) (*Vault, error) {
	v := &Vault{disk: disk{dir: dir}, rand: rand}
	return v, v.open(manager, unlock)
}

// New is the vault of a directory in which a membership is being made. It is not locked until Lock is called.
func New(dir string, rand io.Reader) *Vault { return &Vault{disk: disk{dir: dir}, rand: rand} }

func (v *Vault) open(manager bool, unlock string) error {
	sealed, err := v.keySealed()
	if err != nil {
		return err
	}
	v.sealed = sealed
	raw, err := v.disk.read(ringFile)
	if errors.Is(err, fs.ErrNotExist) && !manager && !sealed {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the file with the key of the raft log cannot be read; restore it from a backup, or let this manager join anew: %w", err)
	}
	if !manager && !sealed {
		return v.disk.remove(ringFile) // of a promotion, or a demotion, that a crash cut off
	}
	v.ring, v.lock, err = openRing(raw, unlock)
	if errors.Is(err, errForm) {
		return fmt.Errorf("the key file %s %w", filepath.Join(v.disk.dir, ringFile), err)
	}
	return err
}

// Log returns the key to seal the raft log with, and those it may be sealed with besides. A ring is made where there is
// none, and durable when Log returns.
func (v *Vault) Log() (key wal.Key, older []wal.Key, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ring == nil {
		ring, err := v.draw(nil)
		if err != nil {
			return key, nil, err
		}
		if err := v.put(ring, v.lock); err != nil {
			return key, nil, err
		}
	}
	return v.ring[0], slices.Clone(v.ring[1:]), nil
}

// Unlock is the key that unlocks this vault; empty while it is not locked.
func (v *Vault) Unlock() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lock.Key
}

// Lock takes the cluster's word on its unlock key; what is no news changes nothing. Afterwards the log may be due to go
// on under another key: Log says which.
func (v *Vault) Lock(want Lock) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ring == nil && want.Key == "" {
		return nil
	}
	ring := v.ring
	switch decide(v.lock, want) {
	case stay:
		return v.settleForm()
	case lock:
		var err error
		if ring, err = v.draw(ring); err != nil {
			return err
		}
	}
	if err := v.put(ring, want); err != nil {
		return err
	}
	return v.settleForm()
}

// Expose puts the private key in the clear: a node that is a worker from now on is not locked.
func (v *Vault) Expose() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lock = Lock{}
	return v.settleForm()
}

// Drop forgets the ring of a node that was a manager, when its log is gone. One that is being made a manager again has
// been locked meanwhile, and keeps it.
func (v *Vault) Drop() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.lock.Key != "" || v.sealed {
		return nil
	}
	v.ring = nil
	return v.disk.remove(ringFile)
}

// draw puts a new key before those there are.
func (v *Vault) draw(ring []wal.Key) ([]wal.Key, error) {
	if len(ring) == maxRing {
		return ring, nil
	}
	var key wal.Key
	if _, err := io.ReadFull(v.rand, key[:]); err != nil {
		return nil, fmt.Errorf("no randomness for a key of the raft log: %w", err)
	}
	return append([]wal.Key{key}, ring...), nil
}

// put makes ring and lock durable, then those of the vault.
func (v *Vault) put(ring []wal.Key, l Lock) error {
	raw, err := writeRing(v.rand, ring, l)
	if err != nil {
		return err
	}
	if err := v.disk.replace(ringFile, raw); err != nil {
		return fmt.Errorf("the key of the raft log cannot be kept: %w", err)
	}
	v.ring, v.lock = ring, l
	return nil
}

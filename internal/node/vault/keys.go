package vault

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"

	"github.com/skep-org/skep/internal/identity"
)

const (
	lockedKeyType = "SKEP LOCKED NODE KEY"
	keyPurpose    = "skep: the private key of a manager"
)

// next marks the files that are being put in place.
const next = ".next"

// Save replaces certificate, private key and roots. Certificate and key, which must fit together, are renamed one after
// the other; Keys finishes what a crash left between.
func (v *Vault) Save(k identity.Keys) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	key, sealed, err := v.formed(k.Key)
	if err != nil {
		return err
	}
	files := []struct {
		name    string
		content []byte
	}{{rootFile, k.Roots}, {keyFile, key}, {certFile, k.Cert}}
	for _, f := range files {
		if err := v.disk.write(f.name+next, f.content); err != nil {
			return err
		}
	}
	if err := v.disk.sync(); err != nil {
		return err
	}
	for _, f := range files {
		if err := v.disk.rename(f.name+next, f.name); err != nil {
			return err
		}
	}
	v.sealed = sealed
	return v.disk.sync()
}

// Keys reads certificate, private key and roots, and puts the files in order that a crash left: if the key is the new one,
// the new certificate is there too; else what was not put in place is dropped.
func (v *Vault) Keys() (identity.Keys, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	key, err := v.privateKey()
	if err != nil {
		return identity.Keys{}, fmt.Errorf("read this node's private key: %w", err)
	}
	if err := v.settlePair(key); err != nil {
		return identity.Keys{}, fmt.Errorf("put this node's certificate in order: %w", err)
	}
	if err := v.settleForm(); err != nil {
		return identity.Keys{}, fmt.Errorf("put this node's private key in order: %w", err)
	}
	keys := identity.Keys{Key: key}
	for name, at := range map[string]*[]byte{certFile: &keys.Cert, rootFile: &keys.Roots} {
		if *at, err = v.disk.read(name); err != nil {
			return identity.Keys{}, fmt.Errorf("read this node's certificate: %w", err)
		}
	}
	return keys, nil
}

// settlePair makes certificate and key fit together.
func (v *Vault) settlePair(key []byte) error {
	cert, err := v.disk.read(certFile)
	if err == nil {
		_, err = tls.X509KeyPair(cert, key)
	}
	if err != nil {
		newer, rerr := v.disk.read(certFile + next)
		if rerr == nil {
			if _, err := tls.X509KeyPair(newer, key); err == nil {
				if err := v.disk.rename(certFile+next, certFile); err != nil {
					return err
				}
			}
		}
	}
	for _, name := range []string{rootFile, keyFile, certFile, ringFile} {
		if err := v.disk.remove(name + next); err != nil {
			return err
		}
	}
	return v.disk.sync()
}

// settleForm rewrites the private key where it is sealed and is not to be, or the other way round.
func (v *Vault) settleForm() error {
	if v.sealed == (v.lock.Key != "") {
		return nil
	}
	plain, err := v.privateKey()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the membership is being made
	}
	if err != nil {
		return err
	}
	key, sealed, err := v.formed(plain)
	if err != nil {
		return err
	}
	if err := v.disk.replace(keyFile, key); err != nil {
		return fmt.Errorf("this node's private key cannot be kept: %w", err)
	}
	v.sealed = sealed
	return nil
}

// formed is a private key as it is to be on disk.
func (v *Vault) formed(key []byte) (onDisk []byte, sealed bool, err error) {
	if v.lock.Key == "" {
		return key, false, nil
	}
	body, err := identity.Seal(v.rand, v.ring[0][:], keyPurpose, nil, key)
	if err != nil {
		return nil, false, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: lockedKeyType, Bytes: body}), true, nil
}

// privateKey reads node.key, in whatever form it is.
func (v *Vault) privateKey() ([]byte, error) {
	raw, err := v.disk.read(keyFile)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != lockedKeyType {
		return raw, nil
	}
	for _, key := range v.ring {
		if plain, err := identity.Open(key[:], keyPurpose, nil, block.Bytes); err == nil {
			return plain, nil
		}
	}
	return nil, errors.New("it is locked with a key that this manager does not have: let this node join anew")
}

func (v *Vault) keySealed() (bool, error) {
	raw, err := v.disk.read(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return bytes.Contains(raw, []byte(lockedKeyType)), err
}

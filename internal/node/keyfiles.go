package node

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/skep-org/skep/internal/identity"
)

// nextSuffix marks the files of a certificate that is being put in place.
const nextSuffix = ".next"

// writeKeys replaces a node's certificate, key and roots. The two that must fit together are renamed one after the
// other; settleKeys finishes what a crash left between.
func writeKeys(dir string, k identity.Keys) error {
	files := []struct {
		name    string
		content []byte
	}{{rootCertFile, k.Roots}, {nodeKeyFile, k.Key}, {nodeCertFile, k.Cert}}
	for _, f := range files {
		if err := writeDurably(filepath.Join(dir, f.name+nextSuffix), f.content); err != nil {
			return err
		}
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	for _, f := range files {
		if err := os.Rename(filepath.Join(dir, f.name+nextSuffix), filepath.Join(dir, f.name)); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// settleKeys makes certificate and key fit together again after a crash in writeKeys: if the key is the new one, the
// new certificate is there too; else what was not put in place is dropped.
func settleKeys(dir string) error {
	cert, key := filepath.Join(dir, nodeCertFile), filepath.Join(dir, nodeKeyFile)
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		if _, next := tls.LoadX509KeyPair(cert+nextSuffix, key); next == nil {
			if err := os.Rename(cert+nextSuffix, cert); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{rootCertFile, nodeKeyFile, nodeCertFile} {
		if err := os.Remove(filepath.Join(dir, name+nextSuffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(dir)
}

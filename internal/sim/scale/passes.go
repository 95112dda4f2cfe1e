package scale

import (
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node"
)

// lifetime is that of the simulated nodes' certificates; no run lasts as long.
const lifetime = 24 * time.Hour

// pass is a node's way into the cluster: what it would have been given when it joined.
type pass struct {
	ID   model.ID
	Keys identity.Keys
}

// issued is a pass with what the managers keep of it.
type issued struct {
	pass
	cert identity.NodeCert
}

func admitted(list []issued) []node.AdmittedNode {
	out := make([]node.AdmittedNode, len(list))
	for i, one := range list {
		out[i] = node.AdmittedNode{ID: one.ID, Cert: one.cert}
	}
	return out
}

// writePasses keeps the nodes' keys for the process that runs them.
func writePasses(file string, list []issued) (err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep the keys of %d nodes: %w", len(list), err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	passes := make([]pass, len(list))
	for i, one := range list {
		passes[i] = one.pass
	}
	return gob.NewEncoder(f).Encode(passes)
}

func readPasses(file string) (list []pass, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := gob.NewDecoder(f).Decode(&list); err != nil {
		return nil, fmt.Errorf("read the nodes' keys: %w", err)
	}
	return list, nil
}

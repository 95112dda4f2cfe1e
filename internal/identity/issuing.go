package identity

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
)

// Authority is what signs the nodes' certificates now: the cluster's root, or the one that it is to have next.
type Authority struct {
	Root
	// Chain goes with each certificate: the authority as certified by the roots before it, for nodes that trust those still.
	Chain   []byte
	Trusted []byte // what the nodes trust
}

// ErrNoKey is returned for an authority whose key the managers do not have.
var ErrNoKey = errors.New("the managers do not have the key of the cluster's certificate authority, and no external one is named: docker swarm update --external-ca names it")

// Rotating reports whether the nodes are on their way to another root.
func Rotating(root *model.Root, spec *model.RootSpec) bool {
	return root != nil && spec != nil && spec.Digest != root.Digest
}

// Issuing is the authority of a cluster with that root, of which spec, that may be nil, says which one it is to have.
func Issuing(root *model.Root, spec *model.RootSpec) Authority {
	if root == nil {
		return Authority{}
	}
	a := Authority{Root{root.Cert, root.Private}, root.Cross, root.Cert}
	if Rotating(root, spec) {
		a.Root, a.Chain = Root{spec.Cert, spec.Private}, slices.Concat(spec.Cross, root.Cross)
	}
	return a
}

// Sign certifies the key of a request for a node, as [Root.Sign] does, with the chain.
func (a Authority) Sign(rand io.Reader, now time.Time, csr []byte, cluster, node model.ID, role model.Role, lifetime time.Duration) (NodeCert, error) {
	if len(a.Key) == 0 {
		return NodeCert{}, ErrNoKey
	}
	cert, err := a.Root.Sign(rand, now, csr, cluster, node, role, lifetime)
	cert.Cert = slices.Concat(cert.Cert, a.Chain)
	return cert, err
}

// Issue makes a node's key and certifies it, as [Root.Issue] does, with the chain.
func (a Authority) Issue(rand io.Reader, now time.Time, cluster, node model.ID, role model.Role, lifetime time.Duration) (NodeCert, error) {
	if len(a.Key) == 0 {
		return NodeCert{}, ErrNoKey
	}
	cert, err := a.Root.Issue(rand, now, cluster, node, role, lifetime)
	cert.Cert = slices.Concat(cert.Cert, a.Chain)
	return cert, err
}

// URLs are where external authorities that have the key of a root sign. One that names no certificate has that of the
// present root.
func URLs(list []*swarm.ExternalCA, root, present []byte) []string {
	var urls []string
	for _, ca := range list {
		if ca == nil || ca.Protocol != swarm.ExternalCAProtocolCFSSL {
			continue
		}
		of := Normalize([]byte(ca.CACert))
		if ca.CACert == "" {
			of = Normalize(present)
		}
		if bytes.Equal(of, Normalize(root)) {
			urls = append(urls, ca.URL)
		}
	}
	return urls
}

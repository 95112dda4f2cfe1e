package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"time"

	"github.com/skep-org/skep/internal/model"
)

// Organizational units, swarm's own, that say what a node may be.
const (
	UnitManager = "swarm-manager"
	UnitWorker  = "swarm-worker"
)

// Unit is the organizational unit of a role.
func Unit(r model.Role) string {
	if r == model.RoleManager {
		return UnitManager
	}
	return UnitWorker
}

// NodeCert is a node's certificate and, where it was made here, its key.
type NodeCert struct {
	Cert, Key []byte // PEM
	NotAfter  time.Time
}

// Issue makes a node's key and certifies it: for the node that founds the cluster.
func (r Root) Issue(rand io.Reader, now time.Time, cluster, node model.ID, role model.Role, lifetime time.Duration) (NodeCert, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand)
	if err != nil {
		return NodeCert{}, fmt.Errorf("make the key of node %s: %w", node, err)
	}
	cert, err := r.certify(rand, now, &key.PublicKey, cluster, node, role, lifetime)
	if err != nil {
		return NodeCert{}, err
	}
	cert.Key, err = encodeKey(key)
	return cert, err
}

func (r Root) certify(rand io.Reader, now time.Time, pub *ecdsa.PublicKey, cluster, node model.ID, role model.Role, lifetime time.Duration) (NodeCert, error) {
	ca, caKey, err := r.parse()
	if err != nil {
		return NodeCert{}, err
	}
	serial, err := newSerial(rand)
	if err != nil {
		return NodeCert{}, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{CommonName: node.String(), OrganizationalUnit: []string{Unit(role)},
			Organization: []string{cluster.String()}},
		DNSNames:    []string{Unit(role), node.String(), rootName},
		NotBefore:   now.Add(-backdate),
		NotAfter:    now.Add(lifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand, tmpl, ca, pub, caKey)
	if err != nil {
		return NodeCert{}, fmt.Errorf("certify node %s: %w", node, err)
	}
	return NodeCert{Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), NotAfter: tmpl.NotAfter}, nil
}

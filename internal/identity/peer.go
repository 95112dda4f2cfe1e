package identity

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/skep-org/skep/internal/model"
)

// Peer is who a certificate says its holder is.
type Peer struct {
	Node, Cluster model.ID
	Role          model.Role
	NotAfter      time.Time
}

// ErrNotNode is returned for a certificate that names no node of a cluster.
var ErrNotNode = errors.New("the certificate is not a cluster node's")

// PeerOf reads a verified certificate.
func PeerOf(cert *x509.Certificate) (Peer, error) {
	node, err := model.ParseID(cert.Subject.CommonName)
	if err != nil || node.IsZero() || len(cert.Subject.Organization) != 1 || len(cert.Subject.OrganizationalUnit) != 1 {
		return Peer{}, ErrNotNode
	}
	cluster, err := model.ParseID(cert.Subject.Organization[0])
	if err != nil || cluster.IsZero() {
		return Peer{}, ErrNotNode
	}
	p := Peer{Node: node, Cluster: cluster, NotAfter: cert.NotAfter}
	switch cert.Subject.OrganizationalUnit[0] {
	case UnitManager:
		p.Role = model.RoleManager
	case UnitWorker:
		p.Role = model.RoleWorker
	default:
		return Peer{}, ErrNotNode
	}
	return p, nil
}

// RenewAt is when a node asks for its next certificate: after half to four fifths of the lifetime of the one it has, by
// a fraction of its own, so that a cluster that was made in one go does not renew in one go.
func RenewAt(cert *x509.Certificate, fraction float64) time.Time {
	life := cert.NotAfter.Sub(cert.NotBefore)
	return cert.NotBefore.Add(time.Duration((0.5 + 0.3*fraction) * float64(life)))
}

// CheckClock refuses a certificate that is not yet, or no longer, valid by this node's clock, naming the clock: it is
// what is wrong far more often than the certificate.
func CheckClock(cert *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(cert.NotBefore):
		return fmt.Errorf("the certificate is valid from %s on, and this node's clock says %s: set the clock", cert.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case now.After(cert.NotAfter):
		return fmt.Errorf("the certificate ended %s, and this node's clock says %s: set the clock, or let the node leave and join again", cert.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

package identity

import (
	"crypto/x509/pkix"
	"slices"

	"github.com/skep-org/skep/internal/model"
)

// External is a certificate to be signed by an external authority.
type External struct {
	CSR        []byte
	CN         string
	Names      []pkix.Name // of the subject, beside the CN
	Hosts      []string
	Profile    string
	Extensions []pkix.Extension
	// TrustedServer are the roots one of which the external authority's own certificate is of.
	TrustedServer []byte
}

// ForNode is the certificate of a node.
func ForNode(csr []byte, cluster, node model.ID, role model.Role) External {
	e := External{CSR: csr, CN: node.String(), Hosts: []string{Unit(role), node.String()},
		Names: []pkix.Name{{OrganizationalUnit: []string{Unit(role)}, Organization: []string{cluster.String()}}}}
	if role == model.RoleManager {
		e.Hosts = append(e.Hosts, rootName)
	}
	return e
}

// crossProfile is the name that swarm has external authorities sign other authorities under.
const crossProfile = "CA"

// ForRoot is the certificate of another root.
func ForRoot(csr []byte, r Root) (External, error) {
	cert, err := ParseCert(r.Cert)
	if err != nil {
		return External{}, err
	}
	constraints, err := r.Constraints()
	if err != nil {
		return External{}, err
	}
	e := External{CSR: csr, CN: cert.Subject.CommonName, Profile: crossProfile, Extensions: []pkix.Extension{constraints}}
	rest := cert.Subject
	if len(slices.Concat(rest.Country, rest.Province, rest.Locality, rest.Organization, rest.OrganizationalUnit)) > 0 {
		e.Names = []pkix.Name{rest}
	}
	return e, nil
}

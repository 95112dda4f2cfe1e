package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// rootAtLeast is how long a given root has to be valid still: a rotation is not to be due again soon.
const rootAtLeast = 365 * 24 * time.Hour

// rsaAtLeast is the shortest RSA key a root may have, in bits.
const rsaAtLeast = 2048

// Given checks a root that a user brings, in swarm's words, and returns it in the form in which it is kept. Without a key
// an external authority is to sign for it.
func Given(cert, key []byte, now time.Time) (Root, error) {
	cert = Normalize(cert)
	if len(cert) == 0 {
		if len(key) > 0 {
			return Root{}, errors.New("if a signing CA key is provided, the signing CA cert must also be provided")
		}
		return Root{}, errors.New("no certificate in PEM")
	}
	list, err := parseAll(cert)
	if err != nil {
		return Root{}, fmt.Errorf("invalid root certificates: %w", err)
	}
	for _, c := range list {
		if err := checkAlgorithm(c); err != nil {
			return Root{}, err
		}
	}
	if len(key) > 0 {
		signer, err := parseKey(key)
		if err != nil {
			return Root{}, fmt.Errorf("malformed private key: %w", err)
		}
		if !samePublic(signer.Public(), list[0].PublicKey) {
			return Root{}, errors.New("certificate key mismatch")
		}
	}
	switch {
	case len(list) > 1:
		return Root{}, errors.New("the desired CA certificate cannot contain multiple certificates")
	case list[0].NotAfter.Before(now.Add(rootAtLeast)):
		return Root{}, errors.New("CA certificate expires too soon")
	}
	return Root{Cert: cert, Key: key}, nil
}

// checkAlgorithm knows what all nodes can verify.
func checkAlgorithm(c *x509.Certificate) error {
	switch c.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
	default:
		return fmt.Errorf("unsupported signature algorithm: %s", c.SignatureAlgorithm)
	}
	switch pub := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if pub.N.BitLen() < rsaAtLeast {
			return errors.New("unsupported RSA key parameters")
		}
	case *ecdsa.PublicKey:
		if bits := pub.Curve.Params().BitSize; bits != 256 && bits != 384 && bits != 521 {
			return errors.New("unsupported ECDSA key parameters")
		}
	default:
		return errors.New("unsupported key type: an RSA or ECDSA key is needed")
	}
	return nil
}

// Normalize writes PEM texts that say the same the same way: without headers, and without what stands between the blocks.
func Normalize(text []byte) []byte {
	var out bytes.Buffer
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return out.Bytes()
		}
		_ = pem.Encode(&out, &pem.Block{Type: block.Type, Bytes: block.Bytes}) // into memory
	}
}

func parseAll(text []byte) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return list, nil
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s in the place of a certificate", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("Failed to parse certificate") //nolint:staticcheck // swarm's words
		}
		list = append(list, cert)
	}
}

// parseKey reads a private key as it comes from programs: PKCS #8, SEC 1 or PKCS #1.
func parseKey(text []byte) (crypto.Signer, error) {
	var block *pem.Block
	for {
		if block, text = pem.Decode(text); block == nil {
			return nil, errors.New("Failed to decode private key") //nolint:staticcheck // swarm's words
		}
		if block.Type != "EC PARAMETERS" { // openssl puts them before the key
			break
		}
	}
	if block.Headers["DEK-Info"] != "" || block.Type == "ENCRYPTED PRIVATE KEY" {
		return nil, errors.New("Private key is encrypted.") //nolint:revive,staticcheck // swarm's words
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		key, err = x509.ParseECPrivateKey(block.Bytes)
	}
	if err != nil {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("Failed to parse private key") //nolint:staticcheck // swarm's words
	}
	return signer, nil
}

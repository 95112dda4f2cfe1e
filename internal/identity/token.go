package identity

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// Join tokens have swarm's form: SWMTKN-1-<digest of the root>-<secret>, both in base 36.
const (
	tokenPrefix = "SWMTKN-1-"
	digestLen   = 50 // base-36 digits of a SHA-256
	secretLen   = 25 // base-36 digits of 128 bits
)

// ErrBadToken is returned for text that is not a join token.
var ErrBadToken = errors.New("invalid join token")

// Digest is the root certificate's digest as it stands in tokens.
func Digest(rootPEM []byte) string {
	sum := sha256.Sum256(rootPEM)
	return pad36(sum[:], digestLen)
}

// Secret makes a token's secret of 128 random bits.
func Secret(random [16]byte) string { return pad36(random[:], secretLen) }

// Token is the token for a secret.
func Token(digest, secret string) string { return tokenPrefix + digest + "-" + secret }

// ParseToken splits a token.
func ParseToken(s string) (digest, secret string, err error) {
	rest, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok {
		return "", "", ErrBadToken
	}
	digest, secret, ok = strings.Cut(rest, "-")
	if !ok || !is36(digest, digestLen) || !is36(secret, secretLen) {
		return "", "", fmt.Errorf("%w: it has the form SWMTKN-1-<50 characters>-<25 characters>", ErrBadToken)
	}
	return digest, secret, nil
}

func pad36(b []byte, n int) string {
	s := new(big.Int).SetBytes(b).Text(36)
	return strings.Repeat("0", n-len(s)) + s
}

func is36(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}

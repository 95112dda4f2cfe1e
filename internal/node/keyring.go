package node

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/vault"
	"github.com/skep-org/skep/internal/wire"
)

// renewRetry is how long a node waits before it asks for its next certificate again.
const renewRetry = 30 * time.Second

// keyring holds the node's certificate and gets the next one in time, or when the node's role changed.
type keyring struct {
	vault  *vault.Vault
	env    env.Env
	logger *slog.Logger
	keys   atomic.Pointer[identity.Keys]
	told   atomic.Pointer[following]
	wake   chan struct{} // a certificate is due
	news   chan struct{} // told has changed
}

// following is what the managers say of the cluster's certificate authority.
type following struct {
	roots  []byte // to be trusted
	issuer []byte // digest of the one that this node's certificate is to be of
}

// openKeyring reads the certificate of a membership.
func openKeyring(v *vault.Vault, e env.Env, logger *slog.Logger) (*keyring, error) {
	k := &keyring{vault: v, env: e, logger: logger, wake: make(chan struct{}, 1), news: make(chan struct{}, 1)}
	keys, err := v.Keys()
	if err != nil {
		return nil, err
	}
	k.keys.Store(&keys)
	return k, nil
}

// Keys returns the present certificate.
func (k *keyring) Keys() identity.Keys { return *k.keys.Load() }

// peer is what the present certificate says.
func (k *keyring) peer() (identity.Peer, *x509.Certificate, error) {
	cert, err := identity.ParseCert(k.Keys().Cert)
	if err != nil {
		return identity.Peer{}, nil, err
	}
	p, err := identity.PeerOf(cert)
	return p, cert, err
}

// role is the role in the present certificate.
func (k *keyring) role() model.Role {
	p, _, err := k.peer()
	if err != nil {
		return model.RoleWorker
	}
	return p.Role
}

// renewNow asks for the next certificate without waiting for the present one's time.
func (k *keyring) renewNow() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// tell says what the managers say of the cluster's certificate authority. Nothing said is no news.
func (k *keyring) tell(roots, issuer []byte) {
	if len(roots) == 0 {
		return
	}
	k.told.Store(&following{roots, issuer})
	select {
	case k.news <- struct{}{}:
	default:
	}
}

// run renews the certificate when its time has come, when renewNow was called or when another authority is to be
// followed, until ctx ends. renewed is called after each change.
func (k *keyring) run(ctx context.Context, renew func(context.Context, []byte) (*wire.RenewReply, error), renewed func()) error {
	_, cert, err := k.peer()
	if err != nil {
		return fmt.Errorf("this node's certificate: %w", err)
	}
	at := identity.RenewAt(cert, k.fraction())
	for {
		timer, stop := k.env.NewTimer(at.Sub(k.env.Now()))
		select {
		case <-timer:
		case <-k.wake:
			stop()
		case <-k.news:
			stop()
			due, changed := k.follow()
			if changed {
				renewed()
			}
			if !due {
				continue
			}
		case <-ctx.Done():
			stop()
			return ctx.Err()
		}
		if err := k.renew(ctx, renew); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			k.logger.Warn("this node's certificate could not be renewed; it is tried again", "until", cert.NotAfter, "err", err)
			at = k.env.Now().Add(renewRetry)
			continue
		}
		if _, cert, err = k.peer(); err != nil {
			return fmt.Errorf("this node's new certificate: %w", err)
		}
		at = identity.RenewAt(cert, k.fraction())
		k.settle(&at)
		renewed()
	}
}

// settle looks, after a renewal, whether the authority that is to be followed has signed. If it has not, the managers
// have moved on meanwhile: they will say so, or it is tried again.
func (k *keyring) settle(at *time.Time) {
	if due, _ := k.follow(); due {
		*at = k.env.Now().Add(renewRetry)
	}
}

// follow does what the managers said of the authority: due is whether another certificate is needed for that, changed
// whether this node trusts another root now. It does not trust a root that its own certificate does not lead to: then the
// certificate is renewed first.
func (k *keyring) follow() (due, changed bool) {
	told, keys := k.told.Load(), k.Keys()
	if told == nil {
		return false, false
	}
	if len(told.issuer) > 0 {
		by, err := keys.Issuer()
		if err != nil || !bytes.Equal(by.Digest(), told.issuer) {
			return true, false
		}
	}
	if bytes.Equal(told.roots, keys.Roots) {
		return false, false
	}
	if !keys.Trusts(told.roots) {
		return true, false
	}
	keys.Roots = told.roots
	if err := k.vault.Save(keys); err != nil {
		k.logger.Error("the cluster's new root certificate cannot be kept; the old one is trusted until it can", "err", err)
		return false, false
	}
	k.keys.Store(&keys)
	k.logger.Info("this node trusts the cluster's new root certificate, and no other")
	return false, true
}

func (k *keyring) fraction() float64 {
	var b [4]byte
	if _, err := io.ReadFull(k.env.Rand, b[:]); err != nil {
		return 0
	}
	return float64(binary.BigEndian.Uint32(b[:])) / (1 << 32)
}

// renew replaces certificate and key on disk first, the key in a file of its own name: whatever file a crash leaves
// last, one of the pairs fits together.
func (k *keyring) renew(ctx context.Context, ask func(context.Context, []byte) (*wire.RenewReply, error)) error {
	csr, key, err := identity.NewRequest(k.env.Rand)
	if err != nil {
		return err
	}
	reply, err := ask(ctx, csr)
	if err != nil {
		return err
	}
	keys := identity.Keys{Cert: reply.Cert, Key: key, Roots: reply.Roots}
	if _, err := keys.Client(model.RoleManager); err != nil {
		return fmt.Errorf("the certificate that came cannot be used: %w", err)
	}
	if _, err := keys.Issuer(); err != nil {
		return fmt.Errorf("the certificate that came cannot be used: %w", err)
	}
	if reply.GetManager() { // a new manager is locked as the others are, before it has a manager's key
		if err := k.vault.Lock(vault.Lock{Key: reply.GetUnlockKey(), Version: reply.GetUnlockVersion()}); err != nil {
			return err
		}
	}
	if err := k.vault.Save(keys); err != nil {
		return err
	}
	k.keys.Store(&keys)
	return nil
}

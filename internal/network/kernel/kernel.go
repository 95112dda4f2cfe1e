package kernel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// DefaultDir is where the namespaces of networks are bound.
const DefaultDir = "/run/skep/netns"

// hostNamespace is the calling thread's: the process's own entry is the main thread's, which may be elsewhere just then.
const hostNamespace = "/proc/thread-self/ns/net"

// ErrNotYet says that a container's namespace is not there yet: the engine makes it after it has asked the network
// plugin. Everything else was done; the caller comes again.
var ErrNotYet = errors.New("the container's namespace does not exist yet")

// Options say what a Kernel works on.
type Options struct {
	Log      *slog.Logger // nil: the default one
	Dir      string       // where namespaces are bound; empty: DefaultDir
	Host     string       // path of the host's network namespace; empty: the process's own
	Iptables string       // the program the engine uses; empty: iptables
	// Wireguard is the command that is WireGuard where the kernel has none; what it is to do comes behind it. Empty: this
	// program's own.
	Wireguard []string
}

// Kernel is this node's kernel as far as networks are concerned. Its methods may be called at the same time.
type Kernel struct {
	dir      string
	log      *slog.Logger
	iptables string
	hostPath string
	host     *space

	mu       sync.Mutex
	round    int // rises whenever something may change
	spaces   map[model.ID]*space
	have     *network.Desired    // what was applied; nil: it is to be read
	attached map[string]struct{} // links made for a container that no plan names yet
	ready    map[string]struct{} // containers whose rules are there
	closing  sync.WaitGroup
	forwards bool // the host forwarded when this was begun with: its firewall is as its owner wants it
	// containers in which something failed: what is read of their rules is not enough to go by
	distrusted map[string]struct{}
	missed     int // audits in a row during which something changed
	changed    int // things changed in the kernel, for those who count
	forgets    func(*space, []network.Op) error
	kept       atomic.Int64 // times that connections could not be forgotten

	wireguard []string
	secrets   map[network.Key]wgtypes.Key // this node's own keys, in memory alone
	watched   map[string]context.CancelFunc
	lost      chan struct{} // a device has ended by itself
}

// New opens the host's namespace. It changes nothing but for the directory it makes.
func New(o Options) (*Kernel, error) {
	k := &Kernel{
		dir: o.Dir, log: o.Log, iptables: o.Iptables,
		spaces: map[model.ID]*space{}, attached: map[string]struct{}{}, ready: map[string]struct{}{},
		distrusted: map[string]struct{}{}, forgets: (*space).forget, wireguard: o.Wireguard,
		secrets: map[network.Key]wgtypes.Key{}, watched: map[string]context.CancelFunc{}, lost: make(chan struct{}, 1),
	}
	if k.dir == "" {
		k.dir = DefaultDir
	}
	if k.log == nil {
		k.log = slog.Default()
	}
	if k.iptables == "" {
		k.iptables = "iptables"
	}
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of network namespaces: %w", err)
	}
	if o.Host == "" {
		o.Host = hostNamespace
	}
	host, err := openSpace(o.Host)
	if err != nil {
		return nil, fmt.Errorf("opening the host's network namespace: %w", err)
	}
	k.hostPath, k.host = o.Host, host
	return k, nil
}

// Close lets go of the namespaces and leaves everything in place.
func (k *Kernel) Close() error {
	k.mu.Lock()
	for id, s := range k.spaces {
		s.close()
		delete(k.spaces, id)
	}
	for name := range k.watched {
		k.unwatch(name)
	}
	k.host.close()
	k.have = nil
	k.mu.Unlock() // who watched a device may be about to say that it has ended
	k.closing.Wait()
	return nil
}

// Programmed says whether the container's own namespace holds what the last Sync wanted there. Its path is its key.
func (k *Kernel) Programmed(box string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.ready[box]
	return ok
}

// Changes is how many things were changed in the kernel so far.
func (k *Kernel) Changes() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.changed
}

// path is where a network's namespace is bound.
func (k *Kernel) path(id model.ID) string {
	if id == cipherID() {
		return filepath.Join(k.dir, cipherFile)
	}
	return filepath.Join(k.dir, id.String())
}

// Attach makes a container's link to a network, and the network's namespace if there is none yet. The engine moves the
// interface peer into the container and gives it its address. A link that is there and not yet moved is left as it is.
func (k *Kernel) Attach(ctx context.Context, n *network.Network, l network.Link, mtu int) (peer string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	k.round++
	s, err := k.ground(n, mtu)
	if err != nil {
		return "", fmt.Errorf("attaching %s to network %s: %w", l.Endpoint, n.Name, err)
	}
	p := network.LocalPort{Addr: l.Addr, Routed: n.Uplinked()}
	if n.Ingress {
		p.Gateway = k.ingressOwn()
	}
	if err := k.makeLink(s, l.Name(), p, mtu); err != nil {
		return "", fmt.Errorf("attaching %s to network %s: %w", l.Endpoint, n.Name, err)
	}
	k.attached[l.Name()] = struct{}{}
	return network.PeerName(l.Name()), nil
}

// ground is the namespace in which a network's links end, ready to take one.
func (k *Kernel) ground(n *network.Network, mtu int) (*space, error) {
	if n.Ingress {
		return k.host, nil
	}
	s, err := k.makeSpace(n.ID)
	if err != nil {
		return nil, err
	}
	return s, s.makeBridge(bridgeOf(n, mtu))
}

// Detach removes a container's link, wherever its other end is. It is no error if there is none.
func (k *Kernel) Detach(ctx context.Context, l network.Link) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	k.round++
	delete(k.attached, l.Name())
	if err := k.host.removeLinks(l.Name(), network.PeerName(l.Name())); err != nil {
		return fmt.Errorf("detaching %s from network %s: %w", l.Endpoint, l.Network, err)
	}
	s, err := k.space(l.Network)
	if err != nil || s == nil {
		return err
	}
	if err := errors.Join(s.removeLinks(l.Name()), s.leadLocal(l.Addr.Addr(), false)); err != nil {
		return fmt.Errorf("detaching %s from network %s: %w", l.Endpoint, l.Network, err)
	}
	return nil
}

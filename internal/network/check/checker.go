package check

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
)

// atOnce bounds the probes under way: a node of a large cluster must not lose answers because they came together.
const atOnce = 128

// Config is what a [Checker] is made of.
type Config struct {
	Self     model.ID
	Fabric   func() *network.Fabric // what this node knows of the networks now
	Env      env.Env
	Log      *slog.Logger
	Registry prometheus.Registerer // nil: nobody counts
	// Encryption is what carries encrypted networks on this node; nil: nothing. Inside runs a function where that is.
	Encryption func() *network.Encrypted
	Inside     func(func() error) error
	// MTU is how large packets between the nodes' addresses on the ingress network may be; nil: the interface is asked.
	MTU func() (int, error)
}

// Checker probes other nodes and echoes their probes.
type Checker struct {
	cfg    Config
	probes *prometheus.CounterVec
}

// Report is what a check of one node has found.
type Report struct {
	Findings []network.Finding `json:"findings"`
	Probed   int               `json:"probed"` // other nodes that packets were sent to
	Left     []Left            `json:"left"`   // those, or what of them, could not be tried
	// At is when it ended, by this node's clock; zero from daemons that do not tell.
	At time.Time `json:"at,omitzero"`
}

// New makes a checker.
func New(cfg Config) *Checker {
	if cfg.MTU == nil {
		cfg.MTU = ingressMTU
	}
	if cfg.Encryption == nil {
		cfg.Encryption = func() *network.Encrypted { return nil }
	}
	c := &Checker{cfg: cfg, probes: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "skep_net_probes_total", Help: "Packets that skep net check sent to other nodes, by way and fate.",
	}, []string{"way", "fate"})}
	if cfg.Registry != nil {
		cfg.Registry.MustRegister(c.probes)
	}
	return c
}

func ingressMTU() (int, error) {
	link, err := net.InterfaceByName(network.IngressLink)
	if err != nil {
		return 0, fmt.Errorf("find the interface %s, which carries packets to other nodes: %w", network.IngressLink, err)
	}
	return link.MTU, nil
}

// Reach probes all other nodes. It takes a second or two where not all answer.
func (c *Checker) Reach(ctx context.Context) (Report, error) {
	f := c.cfg.Fabric()
	mtu := 0
	if f.Nodes[c.cfg.Self].Ingress.IsValid() {
		var err error
		if mtu, err = c.cfg.MTU(); err != nil {
			return Report{}, err
		}
	}
	paths := PathsOf(f, c.cfg.Self, mtu, c.cfg.Encryption())
	probes, left := Probes(f, c.cfg.Self, paths)
	results, err := c.send(ctx, f, probes)
	if err != nil {
		return Report{}, err
	}
	more, err := c.send(ctx, f, Further(results, paths))
	if err != nil {
		return Report{}, err
	}
	results = append(results, more...)
	found, untried := Judge(results, paths)
	return Report{Findings: found, Probed: len(byPeer(results)), Left: append(left, untried...), At: c.cfg.Env.Now()}, nil
}

// send finds out all probes' fates.
func (c *Checker) send(ctx context.Context, f *network.Fabric, probes []Probe) ([]Result, error) {
	results := make([]Result, len(probes))
	from := f.Nodes[c.cfg.Self].Ingress.Addr()
	room := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	var once sync.Once
	var failed error
	for i, p := range probes {
		number, err := c.number()
		if err != nil {
			return nil, err
		}
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			fate, err := p.send(ctx, c.cfg, from, number)
			if err != nil {
				once.Do(func() { failed = err })
			}
			results[i] = Result{p, fate}
		})
	}
	wg.Wait()
	if failed != nil {
		return nil, failed
	}
	for _, r := range results {
		c.probes.WithLabelValues(string(r.Way), string(r.Fate)).Inc()
	}
	return results, nil
}

// number tells one probe's packets from all others.
func (c *Checker) number() (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(c.cfg.Env.Rand, b[:]); err != nil {
		return 0, fmt.Errorf("draw a probe's number: %w", err)
	}
	return binary.BigEndian.Uint64(b[:]), nil
}

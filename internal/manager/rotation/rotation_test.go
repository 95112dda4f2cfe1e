package rotation_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/rotation"
	"github.com/skep-org/skep/internal/manager/stagetest"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// world is a stage world with an authority, and nodes that hold real certificates of it.
type world struct {
	*stagetest.World
	t        *testing.T
	force    uint64
	external []*swarm.ExternalCA
	roots    map[string]identity.Root // by the names that scripts use
	nodes    map[string]identity.Keys
	secrets  int
	there    map[string]identity.Root // external authorities that answer, by their URLs
}

func newWorld(t *testing.T) *world {
	w := &world{World: stagetest.New(t), t: t, roots: map[string]identity.Root{}, nodes: map[string]identity.Keys{}, there: map[string]identity.Root{}}
	for _, name := range []string{"first", "a", "b"} {
		root, err := identity.NewRoot(rand.Reader, w.Now())
		if err != nil {
			t.Fatal(err)
		}
		w.roots[name] = root
	}
	first := w.roots["first"]
	c := store.TheCluster(w.View())
	w.Write(store.WriterIdentity, store.Roots.Put(&model.Root{ClusterID: c.ID, Cert: first.Cert, Private: first.Key, Digest: identity.Digest(first.Cert)}))
	w.Add(rotation.New())
	return w
}

// TestScripts: nodes NAME... | many N, ask [force] [cert=ROOT [key=ROOT]] [stale], external [URL=ROOT[,off]]..., renew NAME...,
// down|up|rm NAME..., join NAME, depose, show.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.t = t
			return w.command(d)
		})
	})
}

func (w *world) command(d *datadriven.TestData) string {
	switch d.Cmd {
	case "nodes":
		for _, a := range d.CmdArgs {
			w.node(a.Key)
		}
	case "many":
		for i := range 40 {
			w.node(fmt.Sprintf("n%02d", i))
		}
	case "ask":
		if err := w.ask(d); err != nil {
			return err.Error() + "\n"
		}
	case "external":
		w.externals(d)
		return ""
	case "renew":
		for _, a := range d.CmdArgs {
			w.renew(a.Key)
		}
	case "down", "up":
		for _, a := range d.CmdArgs {
			w.World.Reach(a.Key, map[string]model.Reach{"down": model.ReachDown, "up": model.ReachReady}[d.Cmd])
		}
	case "rm":
		for _, a := range d.CmdArgs {
			key := model.KeyOf(w.ID(a.Key))
			w.RemoveNode(a.Key)
			w.Write(store.WriterIdentity, store.NodeIdentities.Delete(key))
			delete(w.nodes, a.Key)
		}
	case "depose":
		w.Depose()
		w.Add(rotation.New())
	case "show":
	default:
		w.t.Fatalf("unknown command %s", d.Cmd)
	}
	w.Settle()
	return w.show()
}

func (w *world) issuing() identity.Authority {
	return identity.Issuing(store.TheRoot(w.View()), store.TheRootSpec(w.View()))
}

// certify gives a node a certificate of whoever signs now, and has it say so.
func (w *world) certify(name string) {
	cert, err := w.issuing().Issue(rand.Reader, w.Now(), store.TheCluster(w.View()).ID, w.ID(name), model.RoleWorker, time.Hour*1000)
	if err != nil {
		w.t.Fatal(err)
	}
	w.nodes[name] = identity.Keys{Cert: cert.Cert, Key: cert.Key, Roots: store.TheRoot(w.View()).Cert}
	w.tell(name)
}

func (w *world) tell(name string) {
	row := *store.NodeStates.ByID(w.View(), w.ID(name))
	row.Description = model.DocOf(swarm.NodeDescription{Hostname: name, TLSInfo: w.nodes[name].TLSInfo()})
	w.Write(store.WriterDispatcher, store.NodeStates.Put(&row))
}

func (w *world) node(name string) {
	w.Node(name)
	w.Write(store.WriterIdentity, store.NodeIdentities.Put(&model.NodeIdentity{ID: w.ID(name)}))
	w.certify(name)
}

// renew is what a node does that was asked to.
func (w *world) renew(name string) {
	if store.NodeIdentities.ByID(w.View(), w.ID(name)).Issuer == nil {
		w.t.Fatalf("node %s was not asked to renew", name)
	}
	w.certify(name)
}

func (w *world) ask(d *datadriven.TestData) error {
	root, spec := store.TheRoot(w.View()), store.TheRootSpec(w.View())
	a := rotation.Ask{Root: root, Spec: spec, Force: w.force, Now: w.Now(), Rand: rand.Reader, Outside: w,
		Secret: func() string { w.secrets++; return fmt.Sprint("secret", w.secrets) }}
	a.Config.ExternalCAs, a.Config.ForceRotate = w.external, w.force
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "force":
			a.Config.ForceRotate++
		case "cert":
			a.Config.SigningCACert = string(w.roots[arg.Vals[0]].Cert)
		case "key":
			a.Config.SigningCAKey = string(w.roots[arg.Vals[0]].Key)
		}
	}
	next, err := a.Decide(w.t.Context())
	if err != nil {
		return err
	}
	w.force = a.Config.ForceRotate
	if next != nil {
		if !slices.ContainsFunc([]string{"first", "a", "b"}, func(n string) bool { return bytes.Equal(w.roots[n].Cert, next.Cert) }) {
			w.roots[fmt.Sprint("made", w.force)] = identity.Root{Cert: next.Cert, Key: next.Private}
		}
		w.Write(store.WriterAPI, store.RootSpecs.Put(next))
	}
	return nil
}

func (w *world) externals(d *datadriven.TestData) {
	w.external, w.there = nil, map[string]identity.Root{}
	for _, a := range d.CmdArgs {
		root := w.roots[a.Vals[0]]
		w.external = append(w.external, &swarm.ExternalCA{Protocol: swarm.ExternalCAProtocolCFSSL, URL: a.Key, CACert: string(root.Cert)})
		if len(a.Vals) == 1 {
			w.there[a.Key] = root
		}
	}
}

// Reach implements [rotation.Outside].
func (w *world) Reach(_ context.Context, url string, roots []byte) error {
	if root, ok := w.there[url]; !ok || !bytes.Equal(root.Cert, roots) {
		return errors.New("nobody is there")
	}
	return nil
}

// Sign implements [rotation.Outside]: another root is certified.
func (w *world) Sign(_ context.Context, urls []string, ask identity.External) ([]byte, error) {
	for name, r := range w.roots {
		if strings.HasPrefix(name, "made") || ask.Profile != "CA" {
			continue
		}
		csr, err := r.CrossRequest(rand.Reader)
		if err == nil && sameKey(csr, ask.CSR) {
			return w.there[urls[0]].Cross(rand.Reader, r.Cert)
		}
	}
	return nil, errors.New("whose request is this")
}

func sameKey(a, b []byte) bool {
	x, err := identity.KeyDigest(a)
	y, err2 := identity.KeyDigest(b)
	return err == nil && err2 == nil && bytes.Equal(x, y)
}

func (w *world) rootName(cert []byte) string {
	for name, r := range w.roots {
		if bytes.Equal(r.Cert, cert) {
			return name
		}
	}
	return "none"
}

// show also checks that nobody is lost: every node believes every other one, whichever root it trusts.
func (w *world) show() string {
	var out strings.Builder
	v := w.View()
	root, spec := store.TheRoot(v), store.TheRootSpec(v)
	fmt.Fprintf(&out, "root %s, key %v", w.rootName(root.Cert), root.Private != nil)
	if identity.Rotating(root, spec) {
		fmt.Fprintf(&out, ", on the way to %s, key %v", w.rootName(spec.Cert), spec.Private != nil)
	}
	worker, _ := store.JoinSecrets(v)
	fmt.Fprintf(&out, ", token %q\n", worker)
	states := map[string][]string{}
	for name := range w.nodes {
		key := w.stateOf(name)
		states[key] = append(states[key], name)
	}
	for _, key := range slices.Sorted(func(yield func(string) bool) {
		for k := range states {
			if !yield(k) {
				return
			}
		}
	}) {
		list := states[key]
		slices.Sort(list)
		if len(list) > 5 {
			list = []string{fmt.Sprint(len(list), " nodes")}
		}
		fmt.Fprintf(&out, "%s: %s\n", strings.Join(list, " "), key)
	}
	w.checkBelief()
	return out.String()
}

func (w *world) stateOf(name string) string {
	v := w.View()
	row := store.NodeIdentities.ByID(v, w.ID(name))
	by, err := w.nodes[name].Issuer()
	if err != nil {
		w.t.Fatalf("the certificate of node %s leads nowhere: %v", name, err)
	}
	said, asked := "unknown", ""
	for other, r := range w.roots {
		is, err := identity.IssuerOf(r.Cert)
		if err == nil && is.Equal(by) {
			said = other
		}
		if err == nil && bytes.Equal(is.Digest(), row.Issuer) {
			asked = ", told " + other
		}
	}
	return "certificate of " + said + ", trusts " + w.rootName(w.nodes[name].Roots) + asked
}

func (w *world) checkBelief() {
	present := store.TheRoot(w.View()).Cert
	for name, k := range w.nodes {
		if !k.Trusts(present) {
			w.t.Fatalf("who trusts the present root does not believe node %s", name)
		}
		for other, o := range w.nodes {
			if len(w.nodes) < 10 && !o.Trusts(k.Roots) {
				w.t.Fatalf("node %s does not believe node %s", name, other)
			}
		}
	}
}

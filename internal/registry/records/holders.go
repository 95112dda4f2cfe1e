package records

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// awayFor is how long a node is down before another one gets what it has: a host that restarts is back by then.
const awayFor = 5 * time.Minute

// peersUp are the nodes whose registry is there and can be asked, with their addresses.
func peersUp(v store.View) map[model.ID]string {
	up := map[model.ID]string{}
	for p := range store.ImagePeers.All(v) {
		s := store.NodeStates.ByID(v, p.NodeID)
		if store.NodeSpecs.ByID(v, p.NodeID) != nil && s != nil && s.State != model.ReachDown {
			up[p.NodeID] = p.Addr
		}
	}
	return up
}

// blobOnWire tells node of a blob. The node it was pushed to is asked last: it has given it away at least once already.
func blobOnWire(up map[model.ID]string, b *model.ImageBlob, node model.ID) *wire.RegistryBlob {
	out := &wire.RegistryBlob{Digest: b.Digest[:], Size: b.Size, Copies: uint32(len(b.Holders))}
	for _, h := range inTurn(b.Holders, b.Digest, node) {
		if addr := up[h]; addr != "" && h != node && h != b.Holders[0] {
			out.Holders = append(out.Holders, peerOnWire(h, addr))
		}
	}
	if len(b.Holders) > 0 && b.Holders[0] != node && up[b.Holders[0]] != "" {
		out.Holders = append(out.Holders, peerOnWire(b.Holders[0], up[b.Holders[0]]))
	}
	var others []model.ID
	for n := range up {
		if n != node && !slices.Contains(b.Holders, n) {
			others = append(others, n)
		}
	}
	for _, n := range inTurn(others, b.Digest, model.ID{}) {
		out.Others = append(out.Others, peerOnWire(n, up[n]))
	}
	return out
}

func peerOnWire(node model.ID, addr string) *wire.RegistryPeer {
	return &wire.RegistryPeer{NodeId: wire.Bytes(node), Addr: addr}
}

// inTurn orders nodes by chance, the same for one blob and one asker: so blobs are spread over the nodes that keep them,
// and askers over the nodes that have them.
func inTurn(nodes []model.ID, d model.Digest, asker model.ID) []model.ID {
	rank := func(n model.ID) [sha256.Size]byte {
		return sha256.Sum256(slices.Concat(d[:], asker[:], n[:]))
	}
	out := slices.Clone(nodes)
	slices.SortFunc(out, func(a, b model.ID) int {
		x, y := rank(a), rank(b)
		return bytes.Compare(x[:], y[:])
	})
	return out
}

// short lists the blobs that node is to give to others: of those who have it and are up, one node is responsible.
func short(v store.View, node model.ID, copies int, now time.Time) (out []*wire.RegistryBlob) {
	up := peersUp(v)
	if len(up) < 2 || up[node] == "" {
		return nil
	}
	for b := range store.ImageBlobs.All(v) {
		if firstUp(up, b) != node {
			continue
		}
		have := 0
		for _, h := range b.Holders {
			if counts(v, h, now) {
				have++
			}
		}
		if have < min(copies, len(up)) {
			out = append(out, blobOnWire(up, b, node))
		}
	}
	return out
}

func firstUp(up map[model.ID]string, b *model.ImageBlob) model.ID {
	for _, h := range b.Holders {
		if up[h] != "" {
			return h
		}
	}
	return model.ID{}
}

// counts tells whether a holder may be counted on: it is up, or was a moment ago.
func counts(v store.View, node model.ID, now time.Time) bool {
	s := store.NodeStates.ByID(v, node)
	if store.NodeSpecs.ByID(v, node) == nil || s == nil || store.ImagePeers.ByID(v, node) == nil {
		return false
	}
	return s.State != model.ReachDown || now.Sub(time.Unix(0, s.Since)) < awayFor
}

func held(v store.View, node model.ID) (out []*wire.RegistryBlob) {
	up := peersUp(v)
	for b := range store.ImageBlobs.All(v) {
		if !slices.Contains(b.Holders, node) {
			continue
		}
		n := 0
		for _, h := range b.Holders {
			if up[h] != "" {
				n++
			}
		}
		out = append(out, &wire.RegistryBlob{Digest: b.Digest[:], Size: b.Size, Copies: uint32(n)})
	}
	return out
}

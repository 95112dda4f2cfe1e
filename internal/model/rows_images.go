package model

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// Digest is the SHA-256 of a blob in the cluster's registry, which names it.
type Digest [sha256.Size]byte

// ErrBadDigest is returned for text that is not a digest the cluster's registry keeps.
var ErrBadDigest = errors.New("not a digest: it has to be sha256: and 64 hexadecimal digits")

func (d Digest) String() string { return "sha256:" + hex.EncodeToString(d[:]) }

// Key is the primary key of the row the digest names.
func (d Digest) Key() Key { return Key{A: ID(d[:len(ID{})]), B: ID(d[len(ID{}):])} }

// DigestAt undoes Digest.Key.
func DigestAt(k Key) (d Digest) {
	copy(d[copy(d[:], k.A[:]):], k.B[:])
	return d
}

// DigestOf is the digest of some bytes.
func DigestOf(b []byte) Digest { return sha256.Sum256(b) }

// ParseDigest reads a digest's text form.
func ParseDigest(s string) (d Digest, err error) {
	text, ok := strings.CutPrefix(s, "sha256:")
	raw, err := hex.DecodeString(text)
	if !ok || err != nil || len(raw) != len(d) || strings.ToLower(text) != text {
		return d, ErrBadDigest
	}
	return Digest(raw), nil
}

// ImageTag is the name of an image in the cluster's registry. Writer: registry.
type ImageTag struct {
	Meta
	ID         Digest // TagID of the two names
	Repository string
	Name       string
	Manifest   Digest // its ImageManifest is in the same repository
}

// TagID names a tag's row.
func TagID(repository, name string) Digest { return DigestOf([]byte(repository + ":" + name)) }

// ImageManifest is a manifest in a repository of the cluster's registry: what an image, or a list of images, is made of.
// Its bytes are a blob of the same digest. Writer: registry.
type ImageManifest struct {
	Meta
	ID         Digest // ManifestID of repository and digest
	Repository string
	Digest     Digest
	MediaType  string
	Size       uint64   // bytes of the blobs it names, or of the images on its list
	Blobs      []Digest // configuration and layers
	Manifests  []Digest // of a list: the images, in the same repository
}

// ManifestID names a manifest's row.
func ManifestID(repository string, d Digest) Digest {
	return DigestOf([]byte(repository + "@" + d.String()))
}

// ImageBlob is a blob of the cluster's registry and the nodes that have it on disk. Its Updated is when it was last pushed,
// or given up by a manifest: what nobody refers to is kept for a while after that. Writer: registry.
type ImageBlob struct {
	Meta
	Digest  Digest
	Size    uint64
	Holders []ID // the node it was pushed to first, as long as that has it
}

// ImagePeer is a node whose registry gives blobs to others and keeps them for others. Writer: registry.
type ImagePeer struct {
	Meta
	NodeID ID
	Addr   string // address:port, where other nodes reach the node
}

// Keys of the registry's rows.
func (r *ImageTag) Key() Key      { return r.ID.Key() }
func (r *ImageManifest) Key() Key { return r.ID.Key() }
func (r *ImageBlob) Key() Key     { return r.Digest.Key() }
func (r *ImagePeer) Key() Key     { return KeyOf(r.NodeID) }

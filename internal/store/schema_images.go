package store

import (
	"fmt"

	"github.com/skep-org/skep/internal/model"
	"google.golang.org/protobuf/encoding/protowire"
)

// The tables of the cluster's registry.
var (
	ImageTags = define(25, "image tag", WriterRegistry, func(k model.Key) *model.ImageTag { return &model.ImageTag{ID: model.DigestAt(k)} },
		digest(1, func(r *model.ImageTag) *model.Digest { return &r.ID }),
		text(2, func(r *model.ImageTag) *string { return &r.Repository }),
		text(3, func(r *model.ImageTag) *string { return &r.Name }),
		digest(4, func(r *model.ImageTag) *model.Digest { return &r.Manifest }),
	)
	ImageManifests = define(26, "image manifest", WriterRegistry, func(k model.Key) *model.ImageManifest { return &model.ImageManifest{ID: model.DigestAt(k)} },
		digest(1, func(r *model.ImageManifest) *model.Digest { return &r.ID }),
		text(2, func(r *model.ImageManifest) *string { return &r.Repository }),
		digest(3, func(r *model.ImageManifest) *model.Digest { return &r.Digest }),
		text(4, func(r *model.ImageManifest) *string { return &r.MediaType }),
		number(5, func(r *model.ImageManifest) *uint64 { return &r.Size }),
		packed(6, func(r *model.ImageManifest) *[]model.Digest { return &r.Blobs }),
		packed(7, func(r *model.ImageManifest) *[]model.Digest { return &r.Manifests }),
	)
	ImageBlobs = define(27, "image blob", WriterRegistry, func(k model.Key) *model.ImageBlob { return &model.ImageBlob{Digest: model.DigestAt(k)} },
		digest(1, func(r *model.ImageBlob) *model.Digest { return &r.Digest }),
		number(2, func(r *model.ImageBlob) *uint64 { return &r.Size }),
		packed(3, func(r *model.ImageBlob) *[]model.ID { return &r.Holders }),
	)
	ImagePeers = define(28, "image peer", WriterRegistry, func(k model.Key) *model.ImagePeer { return &model.ImagePeer{NodeID: k.A} },
		id(1, func(r *model.ImagePeer) *model.ID { return &r.NodeID }),
		text(2, func(r *model.ImagePeer) *string { return &r.Addr }),
	)
)

func digest[R any](num protowire.Number, at func(*R) *model.Digest) field[R] {
	return opaque(num, func(r *R) []byte {
		if *at(r) == (model.Digest{}) {
			return nil
		}
		return at(r)[:]
	}, func(r *R, b []byte) error { return fixed(at(r)[:], b) })
}

// packed is a list of ids or digests, one after the other.
func packed[R any, E model.ID | model.Digest](num protowire.Number, at func(*R) *[]E) field[R] {
	return opaque(num, func(r *R) (b []byte) {
		for _, e := range *at(r) {
			b = append(b, bytesOf(e)...)
		}
		return b
	}, func(r *R, b []byte) error {
		var e E
		size := len(bytesOf(e))
		if len(b)%size != 0 {
			return fmt.Errorf("a list of %d bytes each has %d bytes", size, len(b))
		}
		for ; len(b) > 0; b = b[size:] {
			*at(r) = append(*at(r), elementOf[E](b[:size]))
		}
		return nil
	})
}

func bytesOf[E model.ID | model.Digest](e E) []byte {
	switch e := any(e).(type) {
	case model.ID:
		return e[:]
	case model.Digest:
		return e[:]
	}
	return nil
}

func elementOf[E model.ID | model.Digest](b []byte) (e E) {
	switch p := any(&e).(type) {
	case *model.ID:
		copy(p[:], b)
	case *model.Digest:
		copy(p[:], b)
	}
	return e
}

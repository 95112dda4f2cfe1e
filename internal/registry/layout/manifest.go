package layout

import (
	"encoding/json"
	"fmt"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// ManifestLimit bounds a manifest's bytes, as the library does.
const ManifestLimit = 4 << 20

// ReadManifest reads what a manifest is made of, and how long its blobs are. Layers that are elsewhere by their URLs are no blobs of
// this registry.
func ReadManifest(raw []byte) (*wire.RegistryManifest, map[model.Digest]int64, error) {
	type descriptor struct {
		MediaType string   `json:"mediaType"`
		Digest    string   `json:"digest"`
		Size      int64    `json:"size"`
		URLs      []string `json:"urls"`
	}
	var doc struct {
		MediaType string       `json:"mediaType"`
		Config    *descriptor  `json:"config"`
		Layers    []descriptor `json:"layers"`
		Manifests []descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, nil, err
	}
	m, sizes := &wire.RegistryManifest{MediaType: doc.MediaType}, map[model.Digest]int64{}
	if doc.Config != nil {
		doc.Layers = append(doc.Layers, *doc.Config)
	}
	add := func(list *[][]byte, one descriptor) (model.Digest, error) {
		d, err := model.ParseDigest(one.Digest)
		if err != nil {
			return d, fmt.Errorf("%q: %w", one.Digest, err)
		}
		*list = append(*list, d[:])
		return d, nil
	}
	for _, one := range doc.Layers {
		if len(one.URLs) > 0 {
			continue
		}
		d, err := add(&m.Blobs, one)
		if err != nil {
			return nil, nil, err
		}
		sizes[d] = one.Size
	}
	for _, one := range doc.Manifests {
		if _, err := add(&m.Manifests, one); err != nil {
			return nil, nil, err
		}
	}
	return m, sizes, nil
}

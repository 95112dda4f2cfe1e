package layout

import (
	"encoding/json"
	"fmt"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// manifestLimit bounds a manifest's bytes, as the library does.
const manifestLimit = 4 << 20

// readManifest reads what a manifest is made of. The library has found it to be one; layers that are elsewhere by their URLs are
// no blobs of this registry.
func readManifest(raw []byte) (*wire.RegistryManifest, error) {
	type descriptor struct {
		MediaType string   `json:"mediaType"`
		Digest    string   `json:"digest"`
		URLs      []string `json:"urls"`
	}
	var doc struct {
		MediaType string       `json:"mediaType"`
		Config    *descriptor  `json:"config"`
		Layers    []descriptor `json:"layers"`
		Manifests []descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	m := &wire.RegistryManifest{MediaType: doc.MediaType}
	if doc.Config != nil {
		doc.Layers = append(doc.Layers, *doc.Config)
	}
	add := func(list *[][]byte, one descriptor) error {
		d, err := model.ParseDigest(one.Digest)
		if err != nil {
			return fmt.Errorf("%q: %w", one.Digest, err)
		}
		*list = append(*list, d[:])
		return nil
	}
	for _, one := range doc.Layers {
		if len(one.URLs) > 0 {
			continue
		}
		if err := add(&m.Blobs, one); err != nil {
			return nil, err
		}
	}
	for _, one := range doc.Manifests {
		if err := add(&m.Manifests, one); err != nil {
			return nil, err
		}
	}
	return m, nil
}

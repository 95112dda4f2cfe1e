// Package layout is the storage driver that the registry's library writes through: it maps the paths of the library's layout onto
// what the cluster has. Tags and manifests are rows the managers keep, blobs are shared between the nodes, and only uploads that
// are not finished are files on this node alone.
//
//	/docker/registry/v2/repositories/NAME/_manifests/tags/TAG/current/link     ImageTag
//	/docker/registry/v2/repositories/NAME/_manifests/revisions/sha256/HEX/link ImageManifest
//	/docker/registry/v2/repositories/NAME/_layers/sha256/HEX/link              that there is such an ImageBlob
//	/docker/registry/v2/repositories/NAME/_uploads/...                         files
//	/docker/registry/v2/blobs/sha256/HE/HEX/data                               package exchange
//
// It reads and writes no table itself, but through the managers.
//
// Invariants: what was put without an error survives the loss of this node, uploads excepted; the link of a manifest is there only
// with all that the manifest names; a blob may be read in every repository, for whoever may read one may read them all.
//
// Callers may not assume that there are files: what the layout has beyond the paths above is accepted and not kept.
package layout

// Package records is what the managers keep of the cluster's registry, and how they answer for it: which tags and manifests
// there are, what they are made of, and which nodes have which blob. It is pure: a view in, an answer or a batch out.
//
// It reads ImageTag, ImageManifest, ImageBlob, ImagePeer, NodeSpec and NodeState and writes the first four, of which the
// registry is the only writer. Batches are made here and committed by whoever asks.
//
// Invariants:
//   - A manifest's row is written only in a commit in which every blob and manifest it names is there, and that commit
//     writes those rows anew. A tag's commit does so with its manifest. So whoever decided over an older view to delete
//     one of them is refused: every deletion names the version it was decided on.
//   - Updated of a blob or manifest is not older than the time since which nobody refers to it.
//   - A node speaks for itself only: nobody can say that another one has a blob.
//   - A blob's last holder is never taken out because there are enough others.
//
// Callers may not assume that a holder has the blob: a disk may be lost. It is asked, and its answer held against the digest.
package records

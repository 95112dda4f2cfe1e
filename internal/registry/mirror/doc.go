// Package mirror serves images of other registries through the cluster's: what is asked for below mirror/HOST/ and is not here is
// fetched from HOST, passed on as it comes, and kept, so that the cluster has it the next time, on every node, and while HOST
// cannot be reached.
//
// The library that the registry is built on has a mirror of its own, which keeps a manifest before what that is made of; the
// managers refuse that. Here a manifest is given to whoever asks at once, and kept when all of it has come.
//
// It writes no table itself: through package exchange's Cluster it has the managers write what ImageManifest, ImageTag and ImageBlob
// say, as a push does. What is kept is an image like any other, in a repository that begins with mirror/, but for its end: package
// records lets tags and manifests of such go that have not been used for a while. Use is written down once a day.
//
// Invariants:
//   - What is kept is held against its digest, and a tag is kept only with all of its image; of a list of images, with those that
//     were asked for.
//   - A tag is asked of its registry again when it was not for a while; when that cannot be reached, what is here is served.
//   - Credentials for other registries are read from a file for every use and kept nowhere.
//
// Callers may not assume that a blob they asked for will be kept: where the disk is full it is passed on only.
package mirror

package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/skep-org/skep/internal/stack"
)

// Fingerprint says what an image is built of: content is the digest of its directory. Another one is another image; what only
// makes the building faster is no part of it. It is the image's tag: what is written here must stay as it is, or each image is
// built and each service replaced once more.
func Fingerprint(b stack.Build, content string) string {
	h := sha256.New()
	line := func(key string, values ...any) { _, _ = fmt.Fprintf(h, "%s %q\n", key, fmt.Sprint(values...)) }
	line("content", content)
	if b.Remote {
		line("context", b.Context)
	}
	if b.Inline == "" {
		line("dockerfile", b.Dockerfile)
	}
	o := b.Options
	line("target", o.Target)
	line("network", o.NetworkMode)
	line("isolation", o.Isolation)
	line("shm", o.ShmSize)
	for _, name := range slices.Sorted(maps.Keys(o.BuildArgs)) {
		if value := o.BuildArgs[name]; value != nil {
			line("arg "+name, *value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Labels)) {
		line("label "+name, o.Labels[name])
	}
	for _, host := range o.ExtraHosts {
		line("host", host)
	}
	for _, u := range o.Ulimits {
		line("ulimit", u.Name, " ", u.Soft, " ", u.Hard)
	}
	for _, p := range o.Platforms {
		line("platform", p.OS, "/", p.Architecture, "/", p.Variant)
	}
	return hex.EncodeToString(h.Sum(nil))[:tagLength]
}

// tagLength is how much of the digest tells images apart.
const tagLength = 16

// Digest is that of what would be sent now.
func (s *Source) Digest() (string, error) { return s.Tar(io.Discard) }

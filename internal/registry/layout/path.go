package layout

import (
	"strings"

	"github.com/skep-org/skep/internal/model"
)

// root is where the library's layout begins.
const (
	root  = "/docker/registry/v2"
	repos = root + "/repositories"
)

// kind is what a path stands for.
type kind uint8

const (
	unknown   kind = iota
	blob           // a blob's bytes
	manifest       // a manifest's link
	layer          // a blob's link in a repository
	tag            // a tag's link
	tagDir         // a tag with all of it
	tagList        // the directory of a repository's tags
	tagIndex       // which manifests a tag has had: not kept
	upload         // of an upload
	repoList       // the directory of the repositories, or one on the way to them
	manifests      // the directory of a repository's manifests
)

// place is a path taken apart.
type place struct {
	kind       kind
	repository string // of repoList: the beginning of names
	tag        string
	digest     model.Digest
}

// placeOf reads a path; what the cluster keeps nothing of is unknown.
func placeOf(path string) place {
	if rest, ok := strings.CutPrefix(path, root+"/blobs/sha256/"); ok {
		if parts := strings.Split(rest, "/"); len(parts) == 3 && parts[2] == "data" {
			return withDigest(place{kind: blob}, parts[1])
		}
		return place{}
	}
	if path == repos {
		return place{kind: repoList}
	}
	rest, ok := strings.CutPrefix(path, repos+"/")
	if !ok {
		return place{}
	}
	for _, dir := range []string{"/_manifests", "/_layers/", "/_uploads"} {
		if name, within, ok := strings.Cut(rest, dir); ok {
			return inRepository(name, dir, strings.TrimPrefix(within, "/"))
		}
	}
	return place{kind: repoList, repository: rest}
}

func inRepository(name, dir, within string) place {
	p := place{repository: name}
	parts := strings.Split(within, "/")
	switch dir {
	case "/_uploads":
		p.kind = upload
		return p
	case "/_layers/":
		if len(parts) == 3 && parts[0] == "sha256" && parts[2] == "link" {
			p.kind = layer
			return withDigest(p, parts[1])
		}
		return place{}
	}
	switch {
	case within == "":
		p.kind = manifests
	case within == "tags":
		p.kind = tagList
	case parts[0] == "tags" && len(parts) == 2:
		p.kind, p.tag = tagDir, parts[1]
	case parts[0] == "tags" && parts[2] == "index":
		p.kind, p.tag = tagIndex, parts[1]
	case parts[0] == "tags" && len(parts) == 4 && parts[2] == "current" && parts[3] == "link":
		p.kind, p.tag = tag, parts[1]
	case parts[0] == "revisions" && len(parts) == 4 && parts[1] == "sha256" && parts[3] == "link":
		p.kind = manifest
		return withDigest(p, parts[2])
	default:
		return place{}
	}
	return p
}

func withDigest(p place, hex string) place {
	d, err := model.ParseDigest("sha256:" + hex)
	if err != nil {
		return place{}
	}
	p.digest = d
	return p
}

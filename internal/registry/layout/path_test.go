package layout

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/model"
)

func TestPlaces(t *testing.T) {
	d := model.DigestOf(nil)
	hex := strings.TrimPrefix(d.String(), "sha256:")
	for path, want := range map[string]place{
		root + "/blobs/sha256/" + hex[:2] + "/" + hex + "/data": {kind: blob, digest: d},
		repos:                                                       {kind: repoList},
		repos + "/team":                                             {kind: repoList, repository: "team"},
		repos + "/team/app/_manifests":                              {kind: manifests, repository: "team/app"},
		repos + "/team/app/_manifests/tags":                         {kind: tagList, repository: "team/app"},
		repos + "/app/_manifests/tags/v1.0":                         {kind: tagDir, repository: "app", tag: "v1.0"},
		repos + "/app/_manifests/tags/1/current/link":               {kind: tag, repository: "app", tag: "1"},
		repos + "/app/_manifests/tags/1/index/sha256/x/link":        {kind: tagIndex, repository: "app", tag: "1"},
		repos + "/app/_manifests/revisions/sha256/" + hex + "/link": {kind: manifest, repository: "app", digest: d},
		repos + "/app/_layers/sha256/" + hex + "/link":              {kind: layer, repository: "app", digest: d},
		repos + "/app/_uploads/id/data":                             {kind: upload, repository: "app"},
		repos + "/app/_layers/sha512/" + hex + "/link":              {},
		repos + "/app/_manifests/revisions/sha256/short/link":       {},
		"/elsewhere": {},
	} {
		require.Equal(t, want, placeOf(path), path)
	}
}

func TestManifests(t *testing.T) {
	d := model.DigestOf(nil)
	m, sizes, err := ReadManifest([]byte(`{"mediaType":"m","config":{"size":7,"digest":"` + d.String() + `"},"layers":[{"digest":"sha512:1","urls":["https://example.org"]}],"manifests":[{"digest":"` + d.String() + `"}]}`))
	require.NoError(t, err)
	require.Equal(t, [][]byte{d[:]}, m.Blobs)
	require.Equal(t, [][]byte{d[:]}, m.Manifests)
	require.Equal(t, map[model.Digest]int64{d: 7}, sizes)
	for _, bad := range []string{"{", `{"layers":[{"digest":"sha512:00"}]}`, `{"manifests":[{}]}`} {
		_, _, err := ReadManifest([]byte(bad))
		require.Error(t, err, bad)
	}
}

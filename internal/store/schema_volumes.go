package store

import (
	"fmt"
	"iter"

	"github.com/moby/moby/api/types/volume"
	"github.com/skep-org/skep/internal/model"
	"google.golang.org/protobuf/encoding/protowire"
)

// The tables of cluster volumes.
var (
	Volumes = define(22, "volume", WriterAPI, func(k model.Key) *model.Volume { return &model.Volume{ID: k.A} },
		id(1, func(r *model.Volume) *model.ID { return &r.ID }),
		text(2, func(r *model.Volume) *string { return &r.Name }),
		document(3, func(r *model.Volume) *model.Doc[volume.CreateRequest] { return &r.Spec }),
		boolean(4, func(r *model.Volume) *bool { return &r.Removing }),
	).with(volumesByName)
	VolumeStates = define(23, "volume state", WriterVolumes, func(k model.Key) *model.VolumeState { return &model.VolumeState{VolumeID: k.A} },
		id(1, func(r *model.VolumeState) *model.ID { return &r.VolumeID }),
		text(2, func(r *model.VolumeState) *string { return &r.Handle }),
		number(3, func(r *model.VolumeState) *int64 { return &r.Capacity }),
		pairs(4, func(r *model.VolumeState) *map[string]string { return &r.Context }),
		asJSON(5, func(r *model.VolumeState) *[]volume.Topology { return &r.Topology }, func(r *model.VolumeState) bool { return len(r.Topology) == 0 }),
		boolean(6, func(r *model.VolumeState) *bool { return &r.Attaches }),
		number(7, func(r *model.VolumeState) *uint64 { return &r.Round }),
		list(8, func(r *model.VolumeState) *[]model.VolumeNode { return &r.Nodes }, volumeNodeFields()),
		text(9, func(r *model.VolumeState) *string { return &r.Err }),
		boolean(10, func(r *model.VolumeState) *bool { return &r.Deleted }),
	)
	NodeVolumes = define(24, "node's volumes", WriterDispatcher, func(k model.Key) *model.NodeVolumes { return &model.NodeVolumes{NodeID: k.A} },
		id(1, func(r *model.NodeVolumes) *model.ID { return &r.NodeID }),
		list(2, func(r *model.NodeVolumes) *[]model.NodeVolume { return &r.List }, nodeVolumeFields()),
	)
)

var (
	volumesByName      = &Index[model.Volume]{name: "name", uniq: true, cmp: func(a, b *model.Volume) int { return compareNames(a.Name, b.Name) }}
	placementsByVolume = &Postings[model.Placement]{name: "volume", keys: func(p *model.Placement) []model.Key {
		if p.Volumes == nil {
			return nil
		}
		keys := make([]model.Key, 0, len(p.Volumes.List))
		for _, v := range p.Volumes.List {
			keys = append(keys, model.KeyOf(v.VolumeID))
		}
		return keys
	}}
)

// VolumeNamed returns the cluster volume that has taken a name, in whatever case, or nil.
func VolumeNamed(v View, name string) *model.Volume {
	return volumesByName.First(v, &model.Volume{Name: name})
}

// VolumeWithSecret returns a cluster volume whose driver is given a secret, or nil.
func VolumeWithSecret(v View, secret model.ID) *model.Volume {
	for row := range Volumes.All(v) {
		for _, s := range row.Cluster().Secrets {
			if s.Secret == secret.String() {
				return row
			}
		}
	}
	return nil
}

// VolumeSecrets are what the volume's driver is given of the cluster's secrets, by the keys that it knows them by.
func VolumeSecrets(v View, vol *model.Volume) (map[string]string, error) {
	out := map[string]string{}
	for _, s := range vol.Cluster().Secrets {
		id, err := model.ParseID(s.Secret)
		row := Secrets.ByID(v, id)
		switch {
		case err != nil || row == nil:
			return nil, fmt.Errorf("secret %s does not exist", s.Secret)
		case row.Spec.Get().Driver != nil:
			return nil, fmt.Errorf("secret %s is kept by a driver: a volume's has to be kept by the cluster", row.Name)
		}
		out[s.Key] = string(row.Spec.Get().Data)
	}
	return out, nil
}

// PlacedWith yields the placements of tasks that have a volume; of one with several mounts of it more than once.
func PlacedWith(v View, id model.ID) iter.Seq[*model.Placement] {
	return func(yield func(*model.Placement) bool) {
		for k, p := range placementsByVolume.From(v, model.KeyOf(id)) {
			if k.A != id || !yield(p) {
				return
			}
		}
	}
}

func volumeNodeFields() []field[model.VolumeNode] {
	return []field[model.VolumeNode]{
		id(1, func(r *model.VolumeNode) *model.ID { return &r.NodeID }),
		number(2, func(r *model.VolumeNode) *model.VolumePhase { return &r.Phase }),
		number(3, func(r *model.VolumeNode) *uint64 { return &r.Round }),
		text(4, func(r *model.VolumeNode) *string { return &r.Handle }),
		pairs(5, func(r *model.VolumeNode) *map[string]string { return &r.Context }),
		text(6, func(r *model.VolumeNode) *string { return &r.Err }),
	}
}

func nodeVolumeFields() []field[model.NodeVolume] {
	return []field[model.NodeVolume]{
		id(1, func(r *model.NodeVolume) *model.ID { return &r.VolumeID }),
		number(2, func(r *model.NodeVolume) *uint64 { return &r.Round }),
		boolean(3, func(r *model.NodeVolume) *bool { return &r.Released }),
		text(4, func(r *model.NodeVolume) *string { return &r.Err }),
	}
}

// pairs is a map of strings.
func pairs[R any](num protowire.Number, at func(*R) *map[string]string) field[R] {
	return asJSON(num, at, func(r *R) bool { return len(*at(r)) == 0 })
}

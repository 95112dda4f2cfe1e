package find

import (
	"iter"
	"slices"
	"strings"

	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Service finds a service, by its exact name.
func Service(v store.View, ref string) (*model.Service, error) {
	if s := store.ServiceNamed(v, ref); s != nil && s.Name == ref && store.Services.ByID(v, parse(ref)) == nil {
		return s, nil
	}
	return one("service", ref, store.Services, v, func(s *model.Service) model.ID { return s.ID })
}

// Secret finds a secret. Names of secrets and configs are found in whatever case, as in swarm.
func Secret(v store.View, ref string) (*model.Secret, error) {
	if s := store.SecretNamed(v, ref); s != nil && store.Secrets.ByID(v, parse(ref)) == nil {
		return s, nil
	}
	return one("secret", ref, store.Secrets, v, func(s *model.Secret) model.ID { return s.ID })
}

// Config finds a config.
func Config(v store.View, ref string) (*model.Config, error) {
	if s := store.ConfigNamed(v, ref); s != nil && store.Configs.ByID(v, parse(ref)) == nil {
		return s, nil
	}
	return one("config", ref, store.Configs, v, func(s *model.Config) model.ID { return s.ID })
}

// Network finds a cluster network.
func Network(v store.View, ref string) (*model.Network, error) {
	if s := store.NetworkByName(v, ref); s != nil && store.Networks.ByID(v, parse(ref)) == nil {
		return s, nil
	}
	return one("network", ref, store.Networks, v, func(s *model.Network) model.ID { return s.ID })
}

// Node finds a node, by its host name too.
func Node(v store.View, ref string) (*model.NodeSpec, error) {
	if store.NodeSpecs.ByID(v, parse(ref)) == nil {
		var named []*model.NodeSpec
		for n := range store.NodeSpecs.All(v) {
			if s := store.NodeStates.ByID(v, n.ID); s != nil && s.Description.Get().Hostname == ref {
				named = append(named, n)
			}
		}
		switch {
		case len(named) == 1:
			return named[0], nil
		case len(named) > 1:
			return nil, ambiguous("node", ref, len(named))
		}
	}
	return one("node", ref, store.NodeSpecs, v, func(n *model.NodeSpec) model.ID { return n.ID })
}

// Task finds a task, by the name of its container too.
func Task(v store.View, ref string) (*model.Task, error) {
	if i := strings.LastIndexByte(ref, '.'); i >= 0 {
		t := store.Tasks.ByID(v, parse(ref[i+1:]))
		if t != nil && TaskName(v, t) == ref {
			return t, nil
		}
	}
	return one("task", ref, store.Tasks, v, func(t *model.Task) model.ID { return t.ID })
}

// parse is the id ref spells out in full, or the zero id, which names nothing.
func parse(ref string) model.ID {
	id, err := model.ParseID(ref)
	if err != nil {
		return model.ID{}
	}
	return id
}

type table[R any] interface {
	ByID(store.View, model.ID) *R
	All(store.View) iter.Seq[*R]
	From(store.View, model.Key) iter.Seq[*R]
}

// row is a row whose key is one id.
type row[R any] interface {
	*R
	Key() model.Key
}

// one finds a row by its id or by a prefix of it.
func one[R any](kind, ref string, t table[R], v store.View, id func(*R) model.ID) (*R, error) {
	if exact := parse(ref); !exact.IsZero() {
		if row := t.ByID(v, exact); row != nil {
			return row, nil
		}
		return nil, missing(kind, ref)
	}
	var found *R
	matches := 0
	for row := range begin(v, t, ref, id) {
		found = row
		matches++
	}
	switch matches {
	case 0:
		return nil, missing(kind, ref)
	case 1:
		return found, nil
	}
	return nil, ambiguous(kind, ref, matches)
}

// begin yields the rows whose ids begin with a prefix. Ids are ordered as their text is, so that these rows stand together.
func begin[R any](v store.View, t table[R], prefix string, id func(*R) model.ID) iter.Seq[*R] {
	return func(yield func(*R) bool) {
		first, ok := lowest(prefix)
		if !ok {
			return
		}
		for row := range t.From(v, model.KeyOf(first)) {
			if !strings.HasPrefix(id(row).String(), prefix) || !yield(row) {
				return
			}
		}
	}
}

// Prefixed yields the rows whose ids begin with one of the prefixes, by id; of no prefixes all rows.
func Prefixed[R any, P row[R]](v store.View, t table[R], prefixes []string) iter.Seq[*R] {
	id := func(r *R) model.ID { return P(r).Key().A }
	switch {
	case len(prefixes) == 0 || slices.Contains(prefixes, ""):
		return t.All(v)
	case len(prefixes) == 1:
		return begin(v, t, prefixes[0], id)
	}
	var rows []*R
	for _, prefix := range prefixes {
		rows = slices.AppendSeq(rows, begin(v, t, prefix, id))
	}
	slices.SortFunc(rows, func(a, b *R) int { return id(a).Compare(id(b)) })
	return slices.Values(slices.Compact(rows)) // one prefix may begin with another
}

// lowest is the first id with a prefix.
func lowest(prefix string) (model.ID, bool) {
	if len(prefix) > model.IDLen {
		return model.ID{}, false
	}
	id, err := model.ParseID(prefix + strings.Repeat("0", model.IDLen-len(prefix)))
	return id, err == nil
}

func missing(kind, ref string) error { return httperr.NotFound("%s %s not found", kind, ref) }

func ambiguous(kind, ref string, matches int) error {
	return httperr.BadRequest("%s %s is ambiguous (%d matches found)", kind, ref, matches)
}

// Volume finds a cluster volume.
func Volume(v store.View, ref string) (*model.Volume, error) {
	if row := store.VolumeNamed(v, ref); row != nil && row.Name == ref && store.Volumes.ByID(v, parse(ref)) == nil {
		return row, nil
	}
	return one("volume", ref, store.Volumes, v, func(r *model.Volume) model.ID { return r.ID })
}

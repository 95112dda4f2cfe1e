package api

import (
	"cmp"
	"strings"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// guest is a plain container on a cluster network: one that a node reported, or one of this node's engine. Tasks are known
// from the tables, and those that end do not count.
func (s *Server) guest(r *request, v store.View, id model.ID) string {
	for g := range store.Attachments.All(v) {
		if g.NetworkID == id {
			return cmp.Or(strings.Join(g.Names[:min(1, len(g.Names))], ""), g.ID.String())
		}
	}
	carrier := s.carrier(r, id)
	if carrier == "" {
		return ""
	}
	var local struct {
		Containers map[string]struct{ Name string }
	}
	if s.askEngine(r.Context(), "/networks/"+carrier, nil, &local) != nil {
		return ""
	}
	for _, c := range local.Containers {
		_, err := model.ParseID(c.Name[strings.LastIndexByte(c.Name, '.')+1:])
		if err != nil {
			return c.Name
		}
	}
	return ""
}

package api

import (
	"strings"

	"github.com/skep-org/skep/internal/model"
)

// guest is a plain container on a cluster network here; tasks are known from the tables, and those that end do not count.
func (s *Server) guest(r *request, id model.ID) string {
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

package api

import (
	"encoding/json"
	"slices"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network/plugin"
	"github.com/skep-org/skep/internal/store"
)

// networkInfo adds to the engine's info what the cluster's networks are made with, and those that need somebody's eye.
func (s *Server) networkInfo(r *request, info map[string]json.RawMessage) error {
	if !s.active() {
		return nil
	}
	var plugins map[string][]string
	if json.Unmarshal(info["Plugins"], &plugins) == nil && plugins != nil && !slices.Contains(plugins["Network"], plugin.Name) {
		plugins["Network"] = append(plugins["Network"], plugin.Name)
		text, err := json.Marshal(plugins)
		if err != nil {
			return err
		}
		info["Plugins"] = text
	}
	if !s.clustered() {
		return nil
	}
	v, _, err := r.view()
	if err != nil {
		return nil //nolint:nilerr // that the managers do not answer is said in the info's own place for it
	}
	var warnings []string
	if raw, ok := info["Warnings"]; ok {
		if err := json.Unmarshal(raw, &warnings); err != nil {
			return nil //nolint:nilerr // an engine's warnings that cannot be read are passed on as they are
		}
	}
	for n := range store.Networks.All(v) {
		if said := networkTrouble(v, n.ID); said != "" {
			warnings = append(warnings, "WARNING: network "+n.Name+": "+said)
		}
	}
	if len(warnings) == 0 {
		return nil
	}
	text, err := encode(warnings)
	if err != nil {
		return err
	}
	info["Warnings"] = text
	return nil
}

// networkTrouble is why a network has no subnet, or that its addresses run out; empty when all is well.
func networkTrouble(v store.View, id model.ID) string {
	a := store.Allocations.ByID(v, id)
	switch {
	case a == nil:
		return ""
	case !a.Done:
		return a.Err
	}
	return a.Warning()
}

// networkWarnings are said to who puts a service on networks that are short of addresses.
func networkWarnings(v store.View, spec *swarm.ServiceSpec) []string {
	var out []string
	for _, n := range spec.TaskTemplate.Networks {
		row := store.Networks.ByID(v, parseID(n.Target))
		if row == nil {
			continue
		}
		if said := networkTrouble(v, row.ID); said != "" {
			out = append(out, "network "+row.Name+": "+said)
		}
	}
	return out
}

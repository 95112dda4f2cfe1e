package archtest

import "strings"

const (
	whyPlace = "Every package has a place in the import order, so that it stays clear who may know whom: " +
		"give it one in internal/archtest/layers.go."
	whyOrder = "Imports point down only: what lies below can then be understood, tested and simulated without what lies above."
	whyStage = "Stages meet only in the store: each table has one writer, and a stage that calls another would write through it. " +
		"Put what both need below them, or let one read the rows the other writes."
)

// importOrder holds the module's own imports to the layers.
func importOrder(s *source, p pkg) []finding {
	layer, own, ok := place(p.path)
	if !ok {
		return []finding{{where: p.path, what: "the package has no place in the import order", reason: whyPlace}}
	}
	var found []finding
	for _, path := range p.imports {
		to := s.inModule(path)
		if to == path {
			continue // another module's
		}
		toLayer, group, ok := place(to)
		if !ok || group == own || toLayer < layer {
			continue
		}
		reason := whyOrder
		if toLayer == layer && strings.HasPrefix(group.path, "internal/manager/") {
			reason = whyStage
		}
		found = append(found, finding{where: p.path, what: "imports " + to, reason: reason})
	}
	return found
}

// foreignImports refuses what other modules' packages would bring.
func foreignImports(s *source, p pkg) []finding {
	var found []finding
	for _, path := range p.imports {
		for forbidden, reason := range map[string]string{
			"github.com/docker/cli":           "It brings a second raft whose protobuf names clash with ours and panics at start; users have the docker command.",
			"github.com/docker/docker":        "It is frozen at v28.5; its successors are github.com/moby/moby/api and .../client.",
			"github.com/robfig/cron":          "It skips runs on daylight-saving days and panics on TZ=0; use netresearch/go-cron.",
			"github.com/hashicorp/raft":       "Its goroutines cannot be driven from a seed; the cluster runs on go.etcd.io/raft.",
			"github.com/sirupsen/logrus":      "The log is log/slog throughout.",
			"github.com/golang/protobuf":      "It is superseded by google.golang.org/protobuf.",
			"github.com/pkg/errors":           "Errors are wrapped with %w.",
			"github.com/charmbracelet/bubble": "The v1 line has been idle since 2025; v2 is charm.land/bubbletea.",
		} {
			if path == forbidden || strings.HasPrefix(path, forbidden+"/") {
				found = append(found, finding{where: p.path, what: "imports " + path, reason: reason})
			}
		}
		if p.path == "internal/model" && s.inModule(path) == path && strings.Contains(path, ".") && !modelMayImport(path) {
			found = append(found, finding{
				where: p.path, what: "imports " + path,
				reason: "The model is the standard library and Docker's own types: everything else depends on it.",
			})
		}
	}
	return found
}

func modelMayImport(path string) bool {
	for _, ok := range []string{"github.com/moby/moby/api/", "github.com/docker/go-units", "github.com/distribution/reference", "github.com/opencontainers/"} {
		if strings.HasPrefix(path, ok) {
			return true
		}
	}
	return false
}

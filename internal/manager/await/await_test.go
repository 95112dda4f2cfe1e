package await_test

import (
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/skep-org/skep/internal/manager/orchestrator"
	"github.com/skep-org/skep/internal/manager/stagetest"
)

// TestScripts runs testdata/*.txt over the rows that the orchestrator writes; stagetest.Run explains the commands.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		stagetest.Run(t, path, func(w *stagetest.World) { w.Add(orchestrator.New(w.NewID)) })
	})
}

package docker

import (
	"fmt"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/docker/translate"
	"github.com/skep-org/skep/internal/executor/template"
)

// expandFiles expands those of a task's files that are templates. One that cannot be is left empty, and the error is
// Docker's: a task that has it is prepared, and fails when it is started.
func expandFiles(t *executor.Task, p swarm.Platform, files []file) (first error) {
	if len(t.Templates) == 0 {
		return nil
	}
	payloads := template.NewPayloadContext(translate.Templates(t, p), t.Spec.ContainerSpec, t.Secrets, t.Configs)
	for i := range files {
		f := &files[i]
		driver, templated := t.Templates[f.id]
		if f.id == "" || !templated {
			continue
		}
		var err error
		if f.data, err = payloads.Payload(driver, f.data); err != nil {
			f.data = nil
			if first == nil {
				first = fmt.Errorf("unable to get %s from %s store: failed to expand templated %s %s: %w", f.kind, f.kind, f.kind, f.id, err)
			}
		}
	}
	return first
}

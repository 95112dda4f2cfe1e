package engine

import (
	"context"
	"os/exec"
	"strings"
)

// command runs a program and returns what it said, for an error's text or for parsing.
func command(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

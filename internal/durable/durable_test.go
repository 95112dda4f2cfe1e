package durable_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/durable"
)

// TestWrite: only the owner can read what is written, what was there before is gone, and an error names the file.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	for _, content := range []string{"what was there before", "new"} {
		if err := durable.Write(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := durable.SyncDir(dir); err != nil {
		t.Error(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "new" {
		t.Errorf("the file has %q, %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	missing := filepath.Join(dir, "nowhere")
	for _, err := range []error{durable.Write(filepath.Join(missing, "key"), nil), durable.SyncDir(missing)} {
		if err == nil || !strings.Contains(err.Error(), "nowhere") {
			t.Errorf("without the directory: %v", err)
		}
	}
}

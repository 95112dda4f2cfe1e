package hosts

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/engine"
)

// WhoamiImage is on every host.
const WhoamiImage = "skep/whoami:1"

// WhoamiCommand is the hidden command by which skep itself is the web server of WhoamiImage where the small program of
// examples/whoami is not at hand.
const WhoamiCommand = "lab-whoami"

// LoadImages puts the lab's images on a host that has none of them yet. Its engine has to run.
func (h *Host) LoadImages(ctx context.Context) error {
	program, entrypoint := h.lab.whoami()
	files := []engine.File{{Path: "/whoami", From: program}}
	if _, err := engine.ImportImage(ctx, h.engine, WhoamiImage, files, "ENTRYPOINT "+entrypoint, "EXPOSE 8080"); err != nil {
		return err
	}
	for _, path := range h.lab.cfg.Images {
		if err := h.load(ctx, path); err != nil {
			return fmt.Errorf("loading %s: %w", path, err)
		}
	}
	return nil
}

// load loads an archive made by docker save.
func (h *Host) load(ctx context.Context, path string) error {
	archive, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = archive.Close() }()
	answer, err := h.engine.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	_, err = io.Copy(io.Discard, answer)
	return err
}

// whoami finds the program of WhoamiImage: the one asked for, the one built beside skep, or skep itself, which is bigger
// but always there.
func (l *Lab) whoami() (program, entrypoint string) {
	const alone = `["/whoami"]`
	if l.cfg.Whoami != "" {
		return l.cfg.Whoami, alone
	}
	beside := filepath.Join(filepath.Dir(l.cfg.Program), "whoami")
	if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
		return beside, alone
	}
	return l.cfg.Program, `["/whoami", "` + WhoamiCommand + `"]`
}

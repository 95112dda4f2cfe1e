package backupcmd

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/cli/local"
	"github.com/skep-org/skep/internal/cli/output"
	"github.com/skep-org/skep/internal/durable"
	"github.com/skep-org/skep/internal/store/backup"
)

// Backup is skep backup.
func Backup() *cobra.Command {
	var host, file string
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write the cluster's state to a file",
		Long: `Write the cluster's state, as it is now, to a file. Run it on any manager; the
cluster goes on working meanwhile.

The file holds all keys and secrets of the cluster. Only its owner may read it;
--passphrase-file encrypts it as well. "skep restore" brings it back.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := local.New(host)
			if err != nil {
				return err
			}
			secret, err := passphrase(file, cmd.InOrStdin())
			if err != nil {
				return err
			}
			h, size, err := save(cmd.Context(), d, args[0], secret)
			if err != nil {
				return fmt.Errorf("no backup was made: %w", err)
			}
			return output.Printf(cmd, "Backed up cluster %s as of %s (index %d) to %s: %s, read back and checked.\n",
				h.Cluster, h.Time.Format(time.RFC3339), h.Index, args[0], units.BytesSize(float64(size)))
		},
	}
	local.HostFlag(cmd, &host)
	cmd.Flags().StringVar(&file, "passphrase-file", "", "`file` whose first line is a passphrase to encrypt the backup with; - is standard input")
	return cmd
}

// save writes the backup beside its place, checks what is on disk, and puts it there.
func save(ctx context.Context, d *local.Daemon, path string, secret []byte) (h backup.Header, size int64, err error) {
	body, err := d.Call(ctx, http.MethodGet, "/skep/backup", nil, "backups")
	if err != nil {
		return h, 0, err
	}
	defer body.Close()
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return h, 0, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = fill(f, body, secret)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return h, 0, err
	}
	if h, size, err = verify(f.Name(), secret); err != nil {
		return h, 0, fmt.Errorf("what was written does not read back: %w", err)
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return h, 0, err
	}
	return h, size, durable.SyncDir(filepath.Dir(path))
}

func fill(f *os.File, body io.Reader, secret []byte) error {
	w := bufio.NewWriterSize(f, 1<<20)
	if secret == nil {
		if _, err := io.Copy(w, body); err != nil {
			return err
		}
		return w.Flush()
	}
	sealed, err := backup.Seal(w, rand.Reader, secret)
	if err != nil {
		return err
	}
	if _, err := io.Copy(sealed, body); err != nil {
		return err
	}
	return errors.Join(sealed.Close(), w.Flush())
}

// verify reads a backup's file to its end.
func verify(path string, secret []byte) (backup.Header, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return backup.Header{}, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return backup.Header{}, 0, err
	}
	r, err := backup.Unseal(f, secret)
	if err != nil {
		return backup.Header{}, 0, err
	}
	h, err := backup.Verify(r)
	return h, info.Size(), err
}

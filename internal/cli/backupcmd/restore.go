package backupcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/cli/local"
	"github.com/skep-org/skep/internal/cli/output"
	"github.com/skep-org/skep/internal/store/backup"
)

// Restore is skep restore.
func Restore() *cobra.Command {
	var host, file, listen, advertise string
	var force bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Bring a lost cluster back from a backup",
		Long: `Begin the cluster of a backup anew, with this node as its only manager. Do so
when its managers are lost for good, on a node without a cluster, best one with
the address of a lost manager: the workers look for it there and rejoin by
themselves. Their containers run on.

A manager that lost only the others needs no backup:
docker swarm init --force-new-cluster.`,
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
			q := url.Values{}
			for name, value := range map[string]string{"listen-addr": listen, "advertise-addr": advertise} {
				if value != "" {
					q.Set(name, value)
				}
			}
			if force {
				q.Set("force", "1")
			}
			h, err := load(cmd.Context(), d, args[0], secret, q)
			if err != nil {
				return fmt.Errorf("nothing was restored: %w", err)
			}
			return output.Printf(cmd, "%s", report(args[0], h.header, h.answer))
		},
	}
	f := cmd.Flags()
	local.HostFlag(cmd, &host)
	f.StringVar(&file, "passphrase-file", "", "`file` whose first line is the backup's passphrase; - is standard input")
	f.StringVar(&advertise, "advertise-addr", "", "`address` told to other nodes (default: as before, or as the daemon was told)")
	f.StringVar(&listen, "listen-addr", "", "`address:port` where other nodes reach this one (default: as before, or as the daemon was told)")
	f.BoolVar(&force, "force", false, "give up the state this node has of the same cluster")
	return cmd
}

func report(file string, h backup.Header, r api.Restored) string {
	return fmt.Sprintf(`Restored cluster %s as of %s from %s.
This node, %s, is its only manager. The other nodes rejoin by themselves as
they reach it: docker node ls. Managers that are lost stay listed until they are
removed with docker node rm, and others join with docker swarm join-token manager.
`, r.Cluster, h.Time.Format(time.RFC3339), file, r.NodeID)
}

type restored struct {
	header backup.Header
	answer api.Restored
}

// load checks the file, then sends it: the daemon is not bothered with one that cannot be read.
func load(ctx context.Context, d *local.Daemon, path string, secret []byte, q url.Values) (out restored, err error) {
	if out.header, _, err = verify(path, secret); err != nil {
		return out, fmt.Errorf("%s: %w", path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return out, err
	}
	defer f.Close()
	r, err := backup.Unseal(f, secret)
	if err != nil {
		return out, err
	}
	body, err := d.Call(ctx, http.MethodPost, "/skep/restore?"+q.Encode(), r, "backups")
	if err != nil {
		return out, err
	}
	defer body.Close()
	return out, json.NewDecoder(body).Decode(&out.answer)
}

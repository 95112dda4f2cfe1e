package node

import (
	"context"
	"path/filepath"

	"github.com/skep-org/skep/internal/agent/staging"
	"github.com/skep-org/skep/internal/csi"
	"github.com/skep-org/skep/internal/csi/nodeside"
	"github.com/skep-org/skep/internal/engineplugin"
	"github.com/skep-org/skep/internal/env"
)

// volumesDir is where cluster volumes are on a node, below its data directory. CSI drivers that run as containers have to be
// given it, with its mounts shared.
const volumesDir = "csi"

// csiDrivers are those of this node.
func csiDrivers(cfg Config) csi.Drivers {
	return csi.Drivers{Dir: csi.DefaultDir, Plugins: engineplugin.Finder{Dir: cfg.PluginDir, Engine: secretDrivers(cfg).Engine}}
}

func nodeVolumes(cfg Config, e env.Env) *nodeside.Node {
	return &nodeside.Node{Dir: filepath.Join(cfg.DataDir, volumesDir), Drivers: csiDrivers(cfg), Env: e}
}

// dropVolumes lets go of the cluster volumes of a node that is of no cluster any more. What a driver does not undo stays noted,
// and is undone when the node is of a cluster again.
func (c *cluster) dropVolumes(ctx context.Context) {
	n := nodeVolumes(c.cfg, c.env)
	left, err := n.Left()
	if err != nil {
		c.logger.Warn("the cluster volumes of this node cannot be let go of", "err", err)
		return
	}
	for _, o := range left {
		for _, kind := range []staging.Kind{staging.Unpublish, staging.Unstage} {
			if _, err := n.Do(ctx, staging.Op{Kind: kind, Order: o}); err != nil {
				c.logger.Warn("a cluster volume of this node cannot be let go of", "volume", o.Name, "err", err)
				break
			}
		}
	}
}

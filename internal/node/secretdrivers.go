package node

import (
	"context"
	"net"
	"net/http"

	"github.com/skep-org/skep/internal/api/proxy"
	"github.com/skep-org/skep/internal/secretdriver"
)

// secretDrivers are the plugins of this node's engine that keep secrets.
func secretDrivers(cfg Config) secretdriver.Drivers {
	d := secretdriver.Drivers{Dir: cfg.PluginDir, Specs: secretdriver.DefaultSpecs()}
	if engine, err := proxy.NewEngine(cfg.Engine); err == nil {
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return engine.Dial(ctx) }
		d.Engine = &http.Transport{DialContext: dial, DisableKeepAlives: true}
	}
	return d
}

// FindSecretDriver implements [api.SecretDrivers].
func (c *cluster) FindSecretDriver(ctx context.Context, name string) error {
	return secretDrivers(c.cfg).Find(ctx, name)
}

package node

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/api/listen"
)

// serve answers the API at every listener until ctx ends.
func serve(ctx context.Context, listeners []net.Listener, logger *slog.Logger, srv *api.Server) error {
	for _, l := range listeners {
		logger.Info("serving the API", "at", l.Addr().Network()+"://"+l.Addr().String())
	}
	defer notify(logger, daemon.SdNotifyStopping)
	return srv.Serve(ctx, listeners...)
}

// open listens at every host, or at none.
func open(cfg Config) (all []net.Listener, err error) {
	opts := listen.Options{Group: cfg.SocketGroup, InsecureTCP: cfg.InsecureTCP}
	if cfg.TLSVerify {
		opts.TLS = &listen.TLS{CACert: cfg.TLSCACert, Cert: cfg.TLSCert, Key: cfg.TLSKey}
	}
	for _, host := range cfg.Hosts {
		some, err := listen.Open(host, opts)
		if err != nil {
			for _, l := range all {
				err = errors.Join(err, l.Close())
			}
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// notify tells systemd, where there is one.
func notify(logger *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		logger.Warn("systemd could not be told", "state", state, "err", err)
	}
}

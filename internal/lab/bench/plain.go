package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // the driver that is named below
)

// ServePlain serves a registry as people run it on one host: the library's own, with files in a directory.
func ServePlain(ctx context.Context, addr, dir string) error {
	c := &configuration.Configuration{Storage: configuration.Storage{
		"filesystem": configuration.Parameters{"rootdirectory": dir},
		"redirect":   configuration.Parameters{"disable": true},
	}}
	c.HTTP.Secret, c.Catalog.MaxEntries = "bench", 100
	srv := &http.Server{Addr: addr, Handler: handlers.NewApp(ctx, c), ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the plain registry: %w", err)
	}
	return nil
}

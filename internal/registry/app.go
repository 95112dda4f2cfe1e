package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	storage "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/factory"
	"github.com/sirupsen/logrus"

	"github.com/skep-org/skep/internal/durable"
	"github.com/skep-org/skep/internal/registry/layout"
)

// catalogMost bounds what one answer lists.
const catalogMost = 1000

// driverParameter is the name under which the library hands a driver to whoever makes drivers.
const driverParameter = "driver"

// given makes the library's drivers: each was made already.
type given struct{}

func (given) Create(_ context.Context, parameters map[string]any) (storage.StorageDriver, error) {
	d, ok := parameters[driverParameter].(storage.StorageDriver)
	if !ok {
		return nil, errors.New("the registry's storage was not given")
	}
	return d, nil
}

// prepare tells the library of the driver, once in a process. It logs through a logger of its own, which says nothing that
// package layout does not say better.
var prepare = sync.OnceFunc(func() { //nolint:gochecknoglobals // the library's list is the process's
	factory.Register(layout.Name, given{})
	logrus.SetOutput(io.Discard)
})

// newApp makes the library's part.
func (r *Registry) newApp() http.Handler {
	prepare()
	c := &configuration.Configuration{Storage: configuration.Storage{
		layout.Name:   configuration.Parameters{driverParameter: layout.New(r.exchange, r.uploads())},
		"delete":      configuration.Parameters{"enabled": true},
		"redirect":    configuration.Parameters{"disable": true},
		"maintenance": configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}}, // see purge
	}}
	c.HTTP.Secret, c.HTTP.RelativeURLs = r.secret, true
	c.Catalog.MaxEntries = catalogMost
	return handlers.NewApp(context.Background(), c)
}

// keptSecret is the key of what clients are given to go on with an upload: the same after a restart.
func (r *Registry) keptSecret() (string, error) {
	path := filepath.Join(r.opt.Dir, "uploads.key")
	b, err := os.ReadFile(path)
	if err == nil && len(b) == tokenBytes {
		return string(b), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	b = make([]byte, tokenBytes)
	if _, err := io.ReadFull(r.opt.Env.Rand, b); err != nil {
		return "", fmt.Errorf("make the key of uploads: %w", err)
	}
	return string(b), durable.Write(path, b)
}

const (
	// purgeEvery is how often uploads nobody goes on with are looked for; uploadAge is how long they are kept.
	purgeEvery = 6 * time.Hour
	uploadAge  = 24 * time.Hour
)

// purge removes uploads that were begun and left, until ctx ends.
func (r *Registry) purge(ctx context.Context) error {
	for {
		if err := purgeUploads(r.uploads(), r.opt.Env.Now().Add(-uploadAge)); err != nil {
			r.opt.Logger.Warn("uploads that were left unfinished could not be removed", "err", err)
		}
		timer, stop := r.opt.Env.NewTimer(purgeEvery)
		select {
		case <-timer:
		case <-ctx.Done():
			stop()
			return ctx.Err()
		}
	}
}

// purgeUploads removes the directories of uploads in which nothing was written since.
func purgeUploads(dir string, since time.Time) error {
	var old []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil || e.IsDir() || e.Name() != "startedat":
			return err
		}
		newest := time.Time{}
		files, err := os.ReadDir(filepath.Dir(path))
		for _, f := range files {
			if info, err := f.Info(); err == nil && info.ModTime().After(newest) {
				newest = info.ModTime()
			}
		}
		if newest.Before(since) {
			old = append(old, filepath.Dir(path))
		}
		return err
	})
	for _, upload := range old {
		err = errors.Join(err, os.RemoveAll(upload))
	}
	return err
}

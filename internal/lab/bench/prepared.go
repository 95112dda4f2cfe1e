package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/lab/differential/side"
)

// listed is the name of a service of the list.
func listed(i int) string { return fmt.Sprintf("list-%03d", i) }

// prepared serves the list of services from memory and says nothing else: no daemon can answer sooner. end stops it.
func prepared(engine *side.Side) (s *side.Side, end func() error, err error) {
	body, err := preparedList()
	if err != nil {
		return nil, nil, err
	}
	dir := filepath.Join(engine.Dir, "prepared")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("making a directory for the prepared answer: %w", err)
	}
	socket := filepath.Join(dir, "api.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, nil, fmt.Errorf("serving the prepared answer: %w", err)
	}
	server := &http.Server{Handler: answering(body), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	s = engine.At("prepared", dir, "unix://"+socket)
	return s, func() error {
		err := server.Close()
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return errors.Join(err, s.Close())
	}, nil
}

func answering(list []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Ostype", "linux")
		switch {
		case strings.HasSuffix(r.URL.Path, "/_ping"):
		case strings.HasSuffix(r.URL.Path, "/services"):
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(list)
		default:
			http.Error(w, "only the list of services is answered here", http.StatusNotImplemented)
		}
	})
}

// preparedList is what clusters answer, with as much in it.
func preparedList() ([]byte, error) {
	at := time.Unix(0, 0).UTC().Format(time.RFC3339Nano)
	list := make([]map[string]any, services)
	for i := range list {
		list[i] = map[string]any{
			"ID": fmt.Sprintf("%025d", i), "Version": map[string]any{"Index": i}, "CreatedAt": at, "UpdatedAt": at,
			"Spec": spec(listed(i), image1, 0), "Endpoint": map[string]any{"Spec": map[string]any{"Mode": "vip"}},
			"ServiceStatus": map[string]any{"RunningTasks": 0, "DesiredTasks": 0, "CompletedTasks": 0},
		}
	}
	body, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("writing the prepared list: %w", err)
	}
	return body, nil
}

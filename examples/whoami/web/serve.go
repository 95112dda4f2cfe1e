package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	// endWithin bounds how long connections may stay after SIGTERM; Docker's own grace is ten seconds.
	endWithin = 6 * time.Second
	// quietFor is how long nobody may have been connected before the server ends: who was sent here in the moment
	// before SIGTERM is still coming.
	quietFor = 150 * time.Millisecond
	lookEach = 10 * time.Millisecond
)

// serve answers until the context ends and, while anyone is connected, a while longer: see [server.finish].
func (s *server) serve(ctx context.Context, port int) error {
	echo, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
	if err != nil {
		return err
	}
	defer func() { _ = echo.Close() }()
	go s.echo(echo)
	// Handlers get the context, so that a long /sleep ends when the server is told to.
	server := &http.Server{
		Addr: fmt.Sprintf(":%d", port), Handler: s.closing(ctx, s.routes(ctx)), ReadHeaderTimeout: 10 * time.Second, ConnState: s.count,
	}
	done := make(chan error, 1)
	go func() { done <- server.ListenAndServe() }()
	printf(os.Stdout, "listening on port %d\n", port)
	select {
	case err := <-done:
		return err
	case code := <-s.exit:
		printf(os.Stdout, "exiting with code %d as asked\n", code)
		os.Exit(code) //nolint:gocritic // the sockets go with the process
	case <-ctx.Done():
	}
	printf(os.Stdout, "finishing the requests in progress\n")
	s.finish(time.Sleep)
	if err := server.Close(); err != nil {
		return fmt.Errorf("closing the last connections: %w", err)
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// closing has every answer given after the server was told to end be the last one of its connection. net/http's own
// Shutdown closes idle connections at once, also those on which a request is under way: that request would be lost.
func (s *server) closing(ctx context.Context, pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pages.ServeHTTP(&lastWriter{ResponseWriter: w, ending: ctx}, r)
	})
}

// lastWriter says that the connection ends with this answer once its context has ended.
type lastWriter struct {
	http.ResponseWriter
	ending context.Context
	begun  bool
}

func (w *lastWriter) WriteHeader(code int) {
	if !w.begun && w.ending.Err() != nil {
		w.Header().Set("Connection", "close")
	}
	w.begun = true
	w.ResponseWriter.WriteHeader(code)
}

func (w *lastWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// count keeps the number of connections.
func (s *server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.connected.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.connected.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// finish waits until nobody has been connected for a moment: clients that keep their connections hear with their next
// answer that it is the last. Who does not ask again in time is cut off. Looks are counted, not milliseconds: a server that
// the machine had no time for has not looked, nor answered, nor taken who is waiting.
func (s *server) finish(sleep func(time.Duration)) {
	limit := time.Now().Add(endWithin)
	for quiet := 0; quiet < int(quietFor/lookEach) && time.Now().Before(limit); quiet++ {
		if s.connected.Load() > 0 {
			quiet = 0
		}
		sleep(lookEach)
	}
}

// echo sends each datagram back, with who answers and who asked before it.
func (s *server) echo(c net.PacketConn) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := c.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an error that a datagram sent earlier brought about
		}
		_, _ = c.WriteTo(append([]byte(self()+" "+from.String()+"\n"), buf[:n]...), from)
	}
}

package web

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"
)

// endWithin bounds how long requests in progress may take after SIGTERM; Docker's own grace is ten seconds.
const endWithin = 5 * time.Second

// Run is the program with its arguments, until the context ends.
func Run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("whoami", flag.ContinueOnError)
	port := flags.Int("port", 8080, "the port to listen on")
	delay := flags.Duration("start-delay", 0, "wait this long before listening")
	healthcheck := flags.Bool("healthcheck", false, "ask the server on -port whether it is healthy, and exit 0 or 1: for HEALTHCHECK")
	loop := flags.String("url-loop", "", "be a client instead: ask this URL each second and log the first line of the answer")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	switch {
	case *healthcheck:
		return checkHealth(ctx, fmt.Sprintf("http://127.0.0.1:%d/health", *port))
	case *loop != "":
		return askForever(ctx, *loop, time.Second, os.Stdout)
	}
	select {
	case <-time.After(*delay):
	case <-ctx.Done():
		return nil
	}
	return serve(ctx, *port)
}

// serve answers until the context ends, then lets requests in progress finish.
func serve(ctx context.Context, port int) error {
	s := newServer(os.Stdout)
	// Handlers get the context, so that a long /sleep ends when the server is told to.
	server := &http.Server{Addr: fmt.Sprintf(":%d", port), Handler: s.routes(ctx), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.ListenAndServe() }()
	printf(os.Stdout, "listening on port %d\n", port)
	select {
	case err := <-done:
		return err
	case code := <-s.exit:
		printf(os.Stdout, "exiting with code %d as asked\n", code)
		os.Exit(code)
	case <-ctx.Done():
	}
	printf(os.Stdout, "finishing the requests in progress\n")
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		return fmt.Errorf("some requests did not finish: %w", err)
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

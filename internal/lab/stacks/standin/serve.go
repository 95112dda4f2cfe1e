package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// store is a server's memory: lists of lines under names, in files if it was given a directory. A password, if it was
// given one, is asked for.
type store struct {
	mu       sync.Mutex
	lists    map[string][]string
	data     string
	password string
}

// serve is a web server on each port. It says who it is at /, keeps lists under /list/NAME (GET, POST, DELETE takes the
// first), and tells its environment and files.
func serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	data := flags.String("data", "", "keep what is stored in this directory")
	password := flags.String("password-file", "", "ask for the password in this file")
	delay := flags.Duration("delay", 0, "wait this long before listening")
	need := flags.String("need", "", "end at once unless this file is there")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *need != "" {
		if _, err := os.Stat(*need); err != nil {
			return err
		}
	}
	s := &store{lists: map[string][]string{}, data: *data}
	if *password != "" {
		secret, err := os.ReadFile(*password)
		if err != nil {
			return err
		}
		s.password = strings.TrimSpace(string(secret))
	}
	select {
	case <-time.After(*delay):
	case <-ctx.Done():
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", self)
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { say(w, "%s\n", os.Getenv(r.FormValue("name"))) })
	mux.HandleFunc("/list/{name}", s.list)
	return listen(ctx, mux, flags.Args())
}

// say drops the error: a client that has gone needs no answer.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// self names the image's version, the machine and the way.
func self(w http.ResponseWriter, r *http.Request) {
	name, err := os.Hostname()
	if err != nil {
		name = err.Error()
	}
	say(w, "%s version %s on %s path %s\n", os.Getenv("STANDIN_NAME"), os.Getenv("STANDIN_VERSION"), name, r.URL.Path)
}

// listen serves on every port (80 if none is named) until the context ends.
func listen(ctx context.Context, h http.Handler, ports []string) error {
	if len(ports) == 0 {
		ports = []string{"80"}
	}
	done := make(chan error, len(ports))
	for _, p := range ports {
		s := &http.Server{Addr: ":" + p, Handler: h, ReadHeaderTimeout: 10 * time.Second}
		go func() { done <- s.ListenAndServe() }()
	}
	say(os.Stdout, "listening on %s\n", strings.Join(ports, " "))
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (s *store) list(w http.ResponseWriter, r *http.Request) {
	if _, password, _ := r.BasicAuth(); s.password != "" && password != s.password {
		http.Error(w, "wrong password", http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := filepath.Base(r.PathValue("name"))
	lines, err := s.read(name)
	if err == nil {
		switch r.Method {
		case http.MethodPost:
			lines = append(lines, strings.TrimSpace(string(body)))
			err = s.write(name, lines)
			say(w, "%d\n", len(lines))
		case http.MethodDelete:
			if len(lines) == 0 {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			err = s.write(name, lines[1:])
			say(w, "%s\n", lines[0])
		default:
			say(w, "%s\n", strings.Join(lines, "\n"))
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (s *store) read(name string) ([]string, error) {
	if s.data == "" {
		return s.lists[name], nil
	}
	text, err := os.ReadFile(filepath.Join(s.data, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n"), err
}

func (s *store) write(name string, lines []string) error {
	if s.data == "" {
		s.lists[name] = lines
		return nil
	}
	return os.WriteFile(filepath.Join(s.data, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

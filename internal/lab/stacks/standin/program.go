package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// program is one of an image that the stand-in takes the place of.
func program(ctx context.Context, name string, args []string) error {
	switch {
	case slices.Contains([]string{"curl", "wget"}, name):
		return fetch(ctx, args)
	case slices.Contains([]string{"pg_isready", "redis-cli", "healthcheck.sh", "mysqladmin", "rabbitmq-diagnostics"}, name):
		return answers(ctx, "127.0.0.1:"+programPorts()[0])
	case name == "go" && slices.Contains(args, "-o"):
		return compile(args[slices.Index(args, "-o")+1])
	case slices.ContainsFunc(args, prepares):
		say(os.Stdout, "%s %s: done\n", name, strings.Join(args, " "))
		return nil
	}
	return everywhere(ctx, name, args)
}

// prepares reports whether an argument is of a tool that ends.
func prepares(arg string) bool {
	return slices.Contains([]string{"add", "build", "ci", "collectstatic", "download", "install", "mb", "migrate"}, arg)
}

// programPorts are those of the servers the images have: databases, pages, queues.
func programPorts() []string {
	return []string{"80", "22", "1883", "2368", "3000", "3306", "5432", "5672", "6379", "8000", "8080", "9000", "9090", "9100", "15672"}
}

// everywhere is a server that says what it was called with, and what is in the file it was called with.
func everywhere(ctx context.Context, name string, args []string) error {
	text := name + " " + strings.Join(args, " ") + "\n"
	for _, arg := range args {
		if content, err := os.ReadFile(arg); err == nil { //nolint:gosec // what the image's own command names
			text += string(content)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { say(w, "%s", text) })
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { say(w, "%s\n", os.Getenv(r.FormValue("name"))) })
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		content, err := os.ReadFile(filepath.Clean(r.FormValue("path")))
		say(w, "%s %v\n", content, err)
	})
	return listen(ctx, mux, programPorts())
}

// compile puts a program where a compiler would: the stand-in, which is whatever it is called.
func compile(path string) error {
	own, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // an image's directory
		return err
	}
	return os.WriteFile(path, own, 0o755) //nolint:gosec // a program
}

func answers(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return c.Close()
}

// fetch gets the address among the arguments; what follows || in a shell's line is not run.
func fetch(ctx context.Context, args []string) error {
	at := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "http://") })
	if at < 0 {
		return fmt.Errorf("there is no address in %q", args)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, args[at], nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", args[at], resp.Status)
	}
	return nil
}

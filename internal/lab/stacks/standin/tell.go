package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// askWithin bounds what a test asks from inside a container.
const askWithin = 3 * time.Second

// lookup prints how many addresses each name has, and which.
func lookup(ctx context.Context, args []string) error {
	for _, name := range args {
		found, err := addresses(ctx, name)
		if err != nil {
			return err
		}
		say(os.Stdout, "%s %d %s\n", name, len(found), strings.Join(found, " "))
	}
	return nil
}

func addresses(ctx context.Context, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	found, err := net.DefaultResolver.LookupHost(ctx, name)
	slices.Sort(found)
	return found, err
}

// get prints what a server answers: get [-host H] [-post TEXT] [-user U:P] URL.
func get(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("get", flag.ContinueOnError)
	host := flags.String("host", "", "the Host header")
	post := flags.String("post", "", "send this with POST")
	user := flags.String("user", "", "USER:PASSWORD")
	passwordFile := flags.String("password-file", "", "send what is in this file as the password")
	if err := flags.Parse(args); err != nil {
		return err
	}
	method := http.MethodGet
	if *post != "" {
		method = http.MethodPost
	}
	name, password, _ := strings.Cut(*user, ":")
	if *passwordFile != "" {
		text, err := os.ReadFile(*passwordFile)
		if err != nil {
			return err
		}
		name, password = "user", strings.TrimSpace(string(text))
	}
	said, err := ask(ctx, method, flags.Arg(0), *host, *post, name, password)
	say(os.Stdout, "%s", said)
	return err
}

// ask makes one request over a connection of its own.
func ask(ctx context.Context, method, url, host, body, user, password string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Close = true
	req.Host = host
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s: %s", resp.Status, said)
	}
	return string(said), err
}

// each asks every address of a name, as agents and scraped programs are asked, and prints the answers in order:
// each NAME PORT PATH.
func each(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("each wants NAME PORT PATH, not %q", args)
	}
	found, err := addresses(ctx, args[0])
	if err != nil {
		return err
	}
	var all []string
	for _, a := range found {
		said, err := ask(ctx, http.MethodGet, "http://"+net.JoinHostPort(a, args[1])+args[2], "", "", "", "")
		if err != nil {
			return err
		}
		all = append(all, strings.TrimSpace(said))
	}
	slices.Sort(all)
	say(os.Stdout, "%d\n%s\n", len(all), strings.Join(all, "\n"))
	return nil
}

// cat prints files, with who may read them.
func cat(_ context.Context, args []string) error {
	for _, name := range args {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		say(os.Stdout, "%s %s\n%s", name, info.Mode(), text)
	}
	return nil
}

// env prints the environment.
func env(context.Context, []string) error {
	say(os.Stdout, "%s\n", strings.Join(os.Environ(), "\n"))
	return nil
}

// hosts prints the machine's name.
func hosts(context.Context, []string) error {
	name, err := os.Hostname()
	say(os.Stdout, "%s\n", name)
	return err
}

// mtu prints how large a packet of each interface may be.
func mtu(context.Context, []string) error {
	links, err := net.Interfaces()
	for _, l := range links {
		say(os.Stdout, "%s %d\n", l.Name, l.MTU)
	}
	return err
}

// write makes a file: write FILE TEXT.
func write(_ context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("write wants FILE TEXT, not %q", args)
	}
	return os.WriteFile(args[0], []byte(args[1]+"\n"), 0o644)
}

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// worker moves lines from one list to another, each a URL of a server: worker FROM TO [PASSWORD-FILE].
func worker(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("worker wants FROM TO, not %q", args)
	}
	password := ""
	if len(args) > 2 {
		text, err := os.ReadFile(args[2])
		if err != nil {
			return err
		}
		password = strings.TrimSpace(string(text))
	}
	held := ""
	for {
		if err := move(ctx, args[0], args[1], password, &held); err != nil {
			say(os.Stdout, "%v\n", err)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

// move takes the next line, unless it still holds one, and lets go of it when it has been taken.
func move(ctx context.Context, from, to, password string, held *string) error {
	if *held == "" {
		line, err := ask(ctx, http.MethodDelete, from, "", "", "", "")
		if err != nil || line == "" {
			return err
		}
		*held = strings.TrimSpace(line)
	}
	if _, err := ask(ctx, http.MethodPost, to, "", *held, "worker", password); err != nil {
		return err
	}
	*held = ""
	return nil
}

// ship sends a line each half second to a collector over UDP: ship HOST:PORT LINE.
func ship(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("ship wants HOST:PORT LINE, not %q", args)
	}
	for {
		if err := send(ctx, args[0], args[1]); err != nil {
			say(os.Stdout, "%v\n", err)
		}
		say(os.Stdout, "%s\n", args[1])
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

// shipOnce sends one line: ship1 HOST:PORT LINE.
func shipOnce(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("ship1 wants HOST:PORT LINE, not %q", args)
	}
	return send(ctx, args[0], args[1])
}

func send(ctx context.Context, to, line string) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "udp", to)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "%s\n", line)
	return err
}

// collect takes lines over UDP and tells on the same port over TCP how many of each came; with an address it passes them on:
// collect PORT [HOST:PORT].
func collect(ctx context.Context, args []string) error {
	if len(args) == 0 {
		args = []string{"24224"}
	}
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", ":"+args[0])
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var mu sync.Mutex
	count := map[string]int{}
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return // it was closed: the program ends
			}
			line := strings.TrimSpace(string(buf[:n]))
			mu.Lock()
			count[line]++
			mu.Unlock()
			if len(args) > 1 {
				if err := send(ctx, args[1], line); err != nil {
					say(os.Stdout, "%v\n", err)
				}
			}
		}
	}()
	return listen(ctx, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		for line, n := range count {
			say(w, "%d %s\n", n, line)
		}
	}), args[:1])
}

// wait does nothing until it is told to end.
func wait(ctx context.Context, _ []string) error {
	<-ctx.Done()
	return nil
}

// exit ends: exit CODE [AFTER].
func exit(ctx context.Context, args []string) error {
	code := 0
	if len(args) > 0 {
		var err error
		if code, err = strconv.Atoi(args[0]); err != nil {
			return err
		}
	}
	if len(args) > 1 {
		after, err := time.ParseDuration(args[1])
		if err != nil {
			return err
		}
		select {
		case <-time.After(after):
		case <-ctx.Done():
		}
	}
	say(os.Stdout, "done\n")
	if code != 0 {
		return exitError(code)
	}
	return nil
}

// printLines prints its arguments, a line each, and waits.
func printLines(ctx context.Context, args []string) error {
	for _, a := range args {
		say(os.Stdout, "%s\n", a)
	}
	return wait(ctx, nil)
}

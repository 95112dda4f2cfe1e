package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	args := arguments(os.Args[1:])
	if len(args) == 0 {
		serve()
		return
	}
	switch arg := args.at(1); args[0] {
	case "exit": // exit CODE [AFTER]
		after, _ := time.ParseDuration(args.at(2))
		time.Sleep(after)
		code, _ := strconv.Atoi(arg)
		fmt.Println("exiting with", code)
		os.Exit(code)
	case "lines": // lines N: writes N lines, then serves
		n, _ := strconv.Atoi(arg)
		for i := range n {
			fmt.Println("line", i+1)
		}
		serve()
	case "health": // health CODE: for HEALTHCHECK
		code, _ := strconv.Atoi(arg)
		os.Exit(code)
	case "lookup": // lookup NAME...: how many addresses each name has, as its container is told
		for _, name := range args[1:] {
			fmt.Println(name, addresses(name))
		}
	case "mtu": // prints how large a packet of each interface may be
		links, _ := net.Interfaces() // none are printed
		for _, l := range links {
			if l.Flags&net.FlagLoopback == 0 {
				fmt.Println(l.MTU)
			}
		}
	case "cat": // cat FILE: prints it, then serves
		b, err := os.ReadFile(arg)
		fmt.Println(string(b), err)
		serve()
	case "env": // prints the environment, then serves
		for _, e := range os.Environ() {
			fmt.Println(e)
		}
		serve()
	default:
		fmt.Fprintln(os.Stderr, "unknown argument", args[0])
		os.Exit(64)
	}
}

// addresses counts what a name leads to. One that nobody on this machine knows is asked of servers that may be out of
// reach: soon no answer is taken for one.
func addresses(name string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		return 0
	}
	return len(found)
}

// words are the program's arguments without its name.
type words []string

// arguments reads the line a shell would be given, too: health checks run "/bin/sh -c".
func arguments(given []string) words {
	if len(given) == 2 && given[0] == "-c" {
		return strings.Fields(given[1])
	}
	return given
}

// at is an argument, or nothing where there is none.
func (w words) at(i int) string {
	if i < len(w) {
		return w[i]
	}
	return ""
}

// serve answers on port 8080 until it is told to stop. A port in use (host
// network) is no reason to end.
func serve() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		err := http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			name, _ := os.Hostname()
			fmt.Fprintln(w, name)
		}))
		var op *net.OpError
		if err != nil && !errors.As(err, &op) {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	<-stop
}

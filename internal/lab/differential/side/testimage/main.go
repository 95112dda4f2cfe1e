// The program of the test image: it serves, exits with a code, writes lines or
// judges its own health, as its arguments say, so that scenarios need one image.
package main

import (
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
	if len(os.Args) == 3 && os.Args[1] == "-c" { // as /bin/sh, for health checks
		os.Args = append(os.Args[:1], strings.Fields(os.Args[2])...)
	}
	if len(os.Args) < 2 {
		serve()
		return
	}
	switch arg := argument(2); os.Args[1] {
	case "exit": // exit CODE [AFTER]
		after, _ := time.ParseDuration(argument(3))
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
		fmt.Fprintln(os.Stderr, "unknown argument", os.Args[1])
		os.Exit(64)
	}
}

func argument(i int) string {
	if i < len(os.Args) {
		return os.Args[i]
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

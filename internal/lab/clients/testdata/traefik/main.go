package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/provider/docker"
	"github.com/traefik/traefik/v3/pkg/safe"
)

func main() {
	var p docker.SwarmProvider
	p.SetDefaults()
	p.Endpoint = os.Args[1]
	p.Network = os.Args[2]
	if err := p.Init(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	found := make(chan dynamic.Message, 1)
	if err := p.Provide(found, safe.NewPool(ctx)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {
	case m := <-found:
		if err := json.NewEncoder(os.Stdout).Encode(m.Configuration); err != nil {
			os.Exit(1)
		}
	case <-ctx.Done():
		fmt.Fprintln(os.Stderr, "the provider said nothing within a minute")
		os.Exit(1)
	}
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// NetworkConfig describes one run of Networks.
type NetworkConfig struct {
	Skep, Whoami string // the programs
	Pairs        int    // measurements of each side of each comparison, in turns; a figure is their median
	Log          io.Writer
}

// Path is what one way to a server costs against another: rates of both, and the median of the pairs' ratios.
type Path struct {
	Work  string  `json:"work"`
	Unit  string  `json:"unit"`
	One   float64 `json:"one"`
	Other float64 `json:"other"`
	Ratio float64 `json:"ratio"`
}

// The comparisons, by the names the results carry.
const (
	ByVIP       = "virtual address / task's own address"
	Encrypted   = "encrypted network / plain one, task's address"
	ThroughMesh = "published port of another node / of the task's node"
	AgainstPeer = "task's address, skep / Docker's swarm mode (dnsrr)"
	ByNamePeer  = "service's name, skep / Docker's swarm mode (dnsrr)"
)

// Networks measures what ways to a server cost: its service's virtual address against its own, a published port of
// another node against one of its own node, and an overlay of skep against one of Docker's swarm mode, on hosts made in
// the same way. The sides of a comparison take turns, second by second.
func Networks(ctx context.Context, cfg NetworkConfig) (_ []Path, err error) {
	dir, err := os.MkdirTemp("", "sn")
	if err != nil {
		return nil, fmt.Errorf("making a directory for the hosts: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var labs [2]*wires
	for i, side := range []string{Skep, Swarm} {
		w, err := newWires(ctx, cfg, filepath.Join(dir, side), side)
		if w != nil {
			defer func() { err = errors.Join(err, w.lab.Down(context.WithoutCancel(ctx))) }()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", side, err)
		}
		labs[i] = w
	}
	own, peer := labs[0], labs[1]
	var list []Path
	for _, c := range []struct {
		work       string
		one, other route
		kinds      []kind
	}{
		{ByVIP, own.balanced(own.vip), own.direct(), kinds()},
		{Encrypted, own.encrypted(), own.direct(), kinds()},
		{ThroughMesh, own.outside(own.entry), own.outside(own.far), kinds()},
		{AgainstPeer, own.direct(), peer.direct(), kinds()},
		{ByNamePeer, own.balanced(serviceName), peer.balanced(serviceName), kinds()[:1]},
	} {
		for _, k := range c.kinds {
			p, err := compare(ctx, k, cfg.Pairs, c.one, c.other)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", c.work, k.name, err)
			}
			p.Work = c.work
			_, _ = fmt.Fprintf(cfg.Log, "%s, %s: %.4g against %.4g %s, %.2f\n", p.Work, k.name, p.One, p.Other, p.Unit, p.Ratio)
			list = append(list, p)
		}
	}
	return list, nil
}

// compare measures both in turns, each pair beginning with the other one than the pair before.
func compare(ctx context.Context, k kind, pairs int, one, other route) (Path, error) {
	var rates [2][]float64
	var ratios []float64
	for i := range pairs {
		var got [2]float64
		for j := range 2 {
			side := (i + j) % 2
			rate, err := []route{one, other}[side].measure(ctx, k)
			if err != nil {
				return Path{}, err
			}
			got[side] = rate
			rates[side] = append(rates[side], rate)
		}
		ratios = append(ratios, got[0]/got[1])
	}
	return Path{Unit: k.unit, One: median(rates[0]), Other: median(rates[1]), Ratio: median(ratios)}, nil
}

// PathTable is the results of Networks.
func PathTable(paths []Path) string {
	var b strings.Builder
	b.WriteString("| ways compared                                       | what          |    one |  other | one/other |\n")
	b.WriteString("| --------------------------------------------------- | ------------- | -----: | -----: | --------: |\n")
	for _, p := range paths {
		fmt.Fprintf(&b, "| %-51s | %-13s | %6.0f | %6.0f | %9.2f |\n", p.Work, p.Unit, p.One, p.Other, p.Ratio)
	}
	return b.String()
}

// WritePaths writes the results of Networks for machines.
func WritePaths(path string, paths []Path) error {
	rounded := make([]Path, 0, len(paths))
	for _, p := range paths {
		p.One, p.Other, p.Ratio = math.Round(p.One), math.Round(p.Other), math.Round(p.Ratio*1000)/1000
		rounded = append(rounded, p)
	}
	return writeJSON(path, rounded)
}

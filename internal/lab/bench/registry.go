package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/skep-org/skep/internal/lab/hosts"
)

// RegistryConfig describes one run of Registries.
type RegistryConfig struct {
	Skep     string        // the skep binary
	Whoami   string        // the server in the image
	Plain    []string      // the command of a registry as ServePlain serves it; address and directory are appended
	Rounds   int           // images of each side; a figure is their median
	Size     int64         // of an image's one large layer
	Replicas int           // of the service that runs it, on five hosts
	Rate     hosts.Bitrate // of every host's link, each way
	Log      io.Writer
}

// Pulls are the results of Registries, in seconds: of the cluster's registry, and of a plain one on one of the hosts.
type Pulls struct {
	Push, PlainPush float64
	Run, PlainRun   float64 // from the service's creation until all tasks run
	Sent            float64 // by the node pushed to, until all tasks ran: its link's bytes, in images
	Late            float64 // until a new host runs the image, the node pushed to having lost power
}

// Registries measures how long it takes until an image that one host pushed runs on five, over links of a bounded rate: through the
// cluster's registry, and through a plain one on one of the hosts.
func Registries(ctx context.Context, cfg RegistryConfig) (_ Pulls, err error) {
	dir, err := os.MkdirTemp("", "sr")
	if err != nil {
		return Pulls{}, fmt.Errorf("making a directory for the hosts: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	subnet := netip.MustParsePrefix("10.78.0.0/24")
	lab, err := hosts.Up(ctx, hosts.Config{
		Dir: filepath.Join(dir, "lab"), Managers: 3, Workers: 3, Subnet: subnet, Program: cfg.Skep, Whoami: cfg.Whoami,
		EngineArgs: []string{"--insecure-registry=" + subnet.String()},
	})
	if err != nil {
		return Pulls{}, err
	}
	defer func() { err = errors.Join(err, lab.Down(context.WithoutCancel(ctx))) }()
	r := &registries{cfg: cfg, lab: lab, dir: dir, took: map[string][]float64{}}
	end, err := r.prepare(ctx)
	if err != nil {
		return Pulls{}, err
	}
	defer func() { err = errors.Join(err, end()) }()
	for i := range cfg.Rounds {
		for j := range 2 {
			side := []string{Skep, plainSide}[(i+j)%2]
			if err := r.round(ctx, i, side); err != nil {
				return Pulls{}, fmt.Errorf("round %d, %s: %w", i+1, side, err)
			}
		}
	}
	if err := r.late(ctx); err != nil {
		return Pulls{}, err
	}
	of := func(side, what string) float64 { return median(r.took[side+what]) }
	return Pulls{Push: of(Skep, "push"), PlainPush: of(plainSide, "push"), Run: of(Skep, "run"), PlainRun: of(plainSide, "run"),
		Sent: of(Skep, "sent"), Late: of(Skep, "late")}, nil
}

// PullTable is the results of Registries.
func PullTable(p Pulls) string {
	var b strings.Builder
	b.WriteString("| work                                   |  skep s | plain registry s | skep/plain |\n")
	b.WriteString("| -------------------------------------- | ------: | ---------------: | ---------: |\n")
	for _, row := range []struct {
		work        string
		skep, plain float64
	}{
		{"push", p.Push, p.PlainPush},
		{"run on five hosts", p.Run, p.PlainRun},
		{"push and run", p.Push + p.Run, p.PlainPush + p.PlainRun},
		{"run on a new host, the pusher off", p.Late, 0},
	} {
		fmt.Fprintf(&b, "| %-38s | %s | %s | %s |\n", row.work, seconds(row.skep, 7), seconds(row.plain, 16), ratio(row.skep, row.plain, 10))
	}
	fmt.Fprintf(&b, "\nThe node pushed to sent %.2f images, by its link's counter: to the second keeper, and to all that ran it.\n", p.Sent)
	return b.String()
}

// WritePulls writes the results of Registries for machines.
func WritePulls(path string, p Pulls) error { return writeJSON(path, p) }

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skep-org/skep/internal/lab/bench"
)

// measureSizes writes the section about clusters of some sizes, and its charts beside the document, in img.
func measureSizes(ctx context.Context, cfg bench.ScaleConfig, out, doc string) error {
	list, err := bench.Clusters(ctx, cfg)
	if len(list) == 0 {
		return err
	}
	return errors.Join(err, writeSizes(list, out, doc))
}

func writeSizes(list []bench.Scaled, out, doc string) error {
	table := bench.ScaleTable(list)
	if _, err := fmt.Fprint(os.Stdout, table); err != nil {
		return err
	}
	if err := bench.WriteScaled(out, list); err != nil || doc == "" {
		return err
	}
	about := fmt.Sprintf("`skep sim --agents N --tasks M` on %s: three managers in processes of their own with their logs on disk, over loopback TLS, and "+
		"agents with simulated engines, on which a task starts in 50 to 200 ms. Managers, agents and who asks share the processors: times in seconds are "+
		"of all of them together, what the managers themselves cost is their processor time. Agents come 150 a second from each process of up to "+
		"5,000, not all at once. Each size was run once, by `go run ./internal/lab/bench/cmd -scale`. What of this grows faster than the "+
		"cluster, and why: [design/scale.md](design/scale.md).", machine())
	dir := filepath.Join(filepath.Dir(doc), "img")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var images strings.Builder
	charts := bench.ScaleCharts(list)
	for _, name := range slices.Sorted(maps.Keys(charts)) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(charts[name].SVG()), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&images, "![%s](img/%s)\n", charts[name].Title, name)
	}
	return bench.Sizes().Write(doc, about, table+"\n"+images.String())
}

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
	table := bench.ScaleTable(list)
	fmt.Print(table)
	if werr := bench.WriteScaled(out, list); werr != nil || doc == "" {
		return errors.Join(err, werr)
	}
	about := fmt.Sprintf("`skep sim --agents N --tasks M` on %s: three managers in processes of their own with their logs on disk, over loopback TLS, and "+
		"agents with simulated engines, on which a task starts in 50 to 200 ms. Managers, agents and who asks share the processors: times in seconds are "+
		"of all of them together, what the managers themselves cost is their processor time. Each size was run once, by "+
		"`go run ./internal/lab/bench/cmd -scale`.", machine())
	dir := filepath.Join(filepath.Dir(doc), "img")
	if werr := os.MkdirAll(dir, 0o755); werr != nil { //nolint:gosec // documents are for everybody
		return errors.Join(err, werr)
	}
	var images strings.Builder
	charts := bench.ScaleCharts(list)
	for _, name := range slices.Sorted(maps.Keys(charts)) {
		if werr := os.WriteFile(filepath.Join(dir, name), []byte(charts[name].SVG()), 0o644); werr != nil { //nolint:gosec // as above
			return errors.Join(err, werr)
		}
		fmt.Fprintf(&images, "![%s](img/%s)\n", charts[name].Title, name)
	}
	return errors.Join(err, bench.Sizes().Write(doc, about, table+"\n"+images.String()))
}

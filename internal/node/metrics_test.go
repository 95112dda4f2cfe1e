package node

import (
	"bufio"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/node/vault"
	"github.com/stretchr/testify/require"
)

// TestDockersMetrics holds the names, types and labels of metrics to those of a manager of Docker's.
func TestDockersMetrics(t *testing.T) {
	dir, ms := founded(t)
	e := env.Real()
	v, err := vault.Open(filepath.Join(dir, swarmDir), true, e.Rand, "")
	require.NoError(t, err)
	times := newDurations()
	p, err := openPart(partConfig{DataDir: dir, Vault: v, Membership: ms, Times: times.times(), Env: e, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer p.log.Close()
	c := &cluster{member: &member{ms: ms, part: p, times: times, done: make(chan struct{})}}
	reg := prometheus.NewRegistry()
	require.NoError(t, reg.Register(newMetrics("test", c)))
	out := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(out, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	ours := series(out.Body.String())
	file, err := os.Open("testdata/docker-metrics.txt")
	require.NoError(t, err)
	defer file.Close()
	for s := bufio.NewScanner(file); s.Scan(); {
		if want := s.Text(); !strings.HasPrefix(want, "#") && !ours[want] {
			t.Errorf("Docker serves %s, here are %v", want, ours)
		}
	}
	require.NotEmpty(t, ours)
}

// series are the names, types and labels in Prometheus' text format. Ids are no part of them.
func series(text string) map[string]bool {
	out, types := map[string]bool{}, map[string]string{}
	sample := regexp.MustCompile(`^(swarm_\w+)(?:\{(.*)\})? `)
	label := regexp.MustCompile(`(\w+)="([^"]*)"`)
	id := regexp.MustCompile(`=[0-9a-z]{25}$`)
	for line := range strings.Lines(text) {
		if of := strings.Fields(line); strings.HasPrefix(line, "# TYPE ") {
			types[of[2]] = of[3]
			if of[3] == "histogram" {
				out[of[2]+" "+of[3]] = true
			}
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil || types[m[1]] == "" {
			continue // the parts of a histogram
		}
		words := []string{m[1], types[m[1]]}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			words = append(words, id.ReplaceAllString(l[1]+"="+l[2], "=ID"))
		}
		out[strings.Join(words, " ")] = true
	}
	return out
}

package dns

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
	"github.com/skep-org/skep/internal/env"
	"github.com/stretchr/testify/require"
)

// BenchmarkAnswer is a query in and an answer out, without sockets, among 1,000 services of 10 tasks.
func BenchmarkAnswer(b *testing.B) {
	services := map[string]int{}
	for i := range 1000 {
		services[fmt.Sprintf("service%d", i)] = 10
	}
	s := New(Options{Env: env.Real(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	s.Set(MakeZones(nil, fabricOf(services), []Asker{askerAt(client)}))
	raw, err := a("tasks.service77").Pack()
	require.NoError(b, err)
	from := netip.MustParseAddr(client)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			q, _ := parse(idOf(overlay), from, raw, false)
			if len(pack(s.quick(q), q)) < 100 {
				b.Error("no answer")
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
}

// BenchmarkUDP is the same over sockets, with clients that wait for each answer.
func BenchmarkUDP(b *testing.B) {
	s := serve(b, Options{}, map[string]int{"web": 3})
	raw, err := a("web").Pack()
	require.NoError(b, err)
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		conn, err := dialer("udp", client).Dial("udp", s.addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		buf := make([]byte, dns.MinMsgSize)
		for pb.Next() {
			if _, err := conn.Write(raw); err != nil {
				b.Error(err)
			}
			if _, err := conn.Read(buf); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
}

package dns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// served is a server on the loopback: its overlay is 127.9.0.0/16, its gateway 127.9.0.1.
type served struct {
	*Server
	end    func() // has it end; it is waited for by the test's end
	addr   string
	fabric *network.Fabric
}

const (
	overlay = "front"
	client  = "127.9.0.50" // a container that is ready
)

func serve(t testing.TB, o Options, services map[string]int) *served {
	t.Helper()
	if o.Env.Rand == nil {
		o.Env = env.Real()
	}
	o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	if o.ResolvConf == "" {
		o.ResolvConf = filepath.Join(t.TempDir(), "none")
	}
	s := &served{Server: New(o), fabric: fabricOf(services)}
	pc, err := net.ListenPacket("udp", "127.9.0.1:0")
	require.NoError(t, err)
	s.addr = pc.LocalAddr().String()
	ln, err := net.Listen("tcp", s.addr)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	s.end = cancel
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, idOf(overlay), pc, ln) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
	s.Set(MakeZones(nil, s.fabric, []Asker{askerAt(client)}))
	return s
}

func askerAt(addr string, upstreams ...netip.AddrPort) Asker {
	return Asker{Sandbox: network.Sandbox{Links: []network.Link{linkTo(overlay, addr)}}, Ready: true, Upstreams: upstreams}
}

// fabricOf has one network with services of so many tasks each; none has a VIP.
func fabricOf(services map[string]int) *network.Fabric {
	n := &network.Network{
		ID: idOf(overlay), Name: overlay, Subnet: netip.MustParsePrefix("127.9.0.0/16"), Gateway: netip.MustParseAddr("127.9.0.1"),
		Services: map[model.ID]*network.Service{}, Endpoints: map[model.ID]*network.Endpoint{},
	}
	addr := netip.MustParseAddr("127.9.1.1")
	for name, tasks := range services {
		n.Services[idOf(name)] = &network.Service{ID: idOf(name), Name: name}
		for i := range tasks {
			task := fmt.Sprintf("%s.%d", name, i)
			n.Endpoints[idOf(task)] = &network.Endpoint{ID: idOf(task), Service: idOf(name), Addr: addr, Serving: true, Names: []string{task}}
			addr = addr.Next()
		}
	}
	f := network.NewFabric()
	f.Networks = map[model.ID]*network.Network{n.ID: n}
	return f
}

// ask asks as a container would. It fails the test after ten seconds.
func (s *served) ask(t *testing.T, proto, from string, q *dns.Msg) *dns.Msg {
	t.Helper()
	c := &dns.Client{Net: proto, Dialer: dialer(proto, from), Timeout: 10 * time.Second}
	r, _, err := c.Exchange(q, s.addr)
	require.NoError(t, err)
	require.Equal(t, q.Id, r.Id)
	return r
}

func dialer(proto, from string) *net.Dialer {
	if proto == "tcp" {
		return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	}
	return &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
}

func a(name string) *dns.Msg { return new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA) }

func TestServesBothProtocols(t *testing.T) {
	s := serve(t, Options{}, map[string]int{"web": 3})
	for _, proto := range []string{"udp", "tcp"} {
		r := s.ask(t, proto, client, a("WeB"))
		require.Len(t, r.Answer, 3)
		require.Equal(t, "WeB.", r.Answer[0].Header().Name, "the asker's spelling is kept")
		require.Zero(t, r.Answer[0].Header().Ttl)
	}
	require.Equal(t, dns.RcodeRefused, s.ask(t, "udp", "127.9.0.99", a("web")).Rcode, "nobody lives at this address")
}

func TestShuffles(t *testing.T) {
	s := serve(t, Options{}, map[string]int{"web": 4})
	first := map[string]int{}
	for range 400 {
		r := s.ask(t, "udp", client, a("tasks.web"))
		first[r.Answer[0].(*dns.A).A.String()]++
	}
	require.Len(t, first, 4, "each of them comes first at times")
	for addr, n := range first {
		require.Greater(t, n, 40, "%s is not left behind", addr)
	}
}

func TestLongAnswers(t *testing.T) {
	s := serve(t, Options{}, map[string]int{"web": 100})
	r := s.ask(t, "udp", client, a("web"))
	require.True(t, r.Truncated)
	require.NotEmpty(t, r.Answer, "who does not come back over TCP has some of them")
	r.Compress = true
	require.LessOrEqual(t, r.Len(), dns.MinMsgSize)

	q := a("web")
	q.SetEdns0(4096, false)
	r = s.ask(t, "udp", client, q)
	require.False(t, r.Truncated)
	require.Len(t, r.Answer, 100)
	require.NotNil(t, r.IsEdns0())

	require.Len(t, s.ask(t, "tcp", client, a("web")).Answer, 100)
}

func TestManyQueriesOnOneConnection(t *testing.T) {
	s := serve(t, Options{}, map[string]int{"web": 1})
	d := dialer("tcp", client)
	conn, err := d.Dial("tcp", s.addr)
	require.NoError(t, err)
	defer conn.Close()
	c := &dns.Conn{Conn: conn}
	for range 3 {
		require.NoError(t, c.WriteMsg(a("web")))
	}
	for range 3 {
		r, err := c.ReadMsg()
		require.NoError(t, err)
		require.Len(t, r.Answer, 1)
	}
}

// stopped is a clock whose timers fire when the test says so.
type stopped struct{ fire chan time.Time }

func (stopped) Now() time.Time { return time.Now() }
func (c stopped) NewTimer(time.Duration) (<-chan time.Time, func()) {
	return c.fire, func() {}
}

// value is a counter's.
func value(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("nobody counts %s", name)
	return 0
}

func TestHolds(t *testing.T) {
	reg := prometheus.NewRegistry()
	clock := stopped{make(chan time.Time)}
	s := serve(t, Options{Env: env.Env{Clock: clock, Rand: env.Real().Rand}, Registry: reg}, map[string]int{"web": 1})
	starting := askerAt("127.9.0.51")
	starting.Ready = false
	s.Set(MakeZones(nil, s.fabric, []Asker{askerAt(client), starting}))
	ask := func() <-chan *dns.Msg {
		got := make(chan *dns.Msg, 1)
		before := value(t, reg, "skep_dns_held_total")
		go func() { got <- s.ask(t, "udp", "127.9.0.51", a("web")) }()
		require.Eventually(t, func() bool { return value(t, reg, "skep_dns_held_total") > before }, 5*time.Second, time.Millisecond)
		return got
	}

	held := ask()
	s.Set(MakeZones(nil, s.fabric, []Asker{starting, askerAt(client)}))
	require.Len(t, s.ask(t, "udp", client, a("web")).Answer, 1, "others have theirs")
	require.Empty(t, held, "news about others is none for it")
	s.Set(MakeZones(nil, s.fabric, []Asker{askerAt("127.9.0.51")}))
	require.Len(t, (<-held).Answer, 1)

	s.Set(MakeZones(nil, s.fabric, []Asker{starting}))
	held = ask()
	clock.fire <- time.Now()
	require.Equal(t, dns.RcodeServerFailure, (<-held).Rcode, "not for ever")

	held = ask()
	s.Set(MakeZones(nil, s.fabric, nil))
	require.Equal(t, dns.RcodeRefused, (<-held).Rcode, "it has gone")

	s.Set(MakeZones(nil, s.fabric, []Asker{starting}))
	held = ask()
	s.end()
	require.Equal(t, dns.RcodeServerFailure, (<-held).Rcode, "who waits need not wait for its own timeout")
}

// upstream is a name server on the loopback.
func upstream(t *testing.T, handle dns.HandlerFunc) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	ln, err := net.Listen("tcp", pc.LocalAddr().String())
	require.NoError(t, err)
	for _, srv := range []*dns.Server{{PacketConn: pc, Handler: handle}, {Listener: ln, Handler: handle}} {
		ended, up := make(chan error, 1), make(chan struct{})
		srv.NotifyStartedFunc = func() { close(up) }
		go func() { ended <- srv.ActivateAndServe() }()
		<-up
		t.Cleanup(func() {
			require.NoError(t, srv.Shutdown())
			require.NoError(t, <-ended)
		})
	}
	return netip.MustParseAddrPort(pc.LocalAddr().String())
}

// says answers every question for addresses with n of them, over UDP as far as they fit.
func says(n int) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		r := new(dns.Msg).SetReply(q)
		for i := range n {
			r.Answer = append(r.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(192, 0, byte(i>>8), byte(i)),
			})
		}
		if opt := q.IsEdns0(); opt != nil {
			r.Extra = append(r.Extra, opt)
		}
		if w.LocalAddr().Network() == "udp" {
			r.Truncate(room(q, false))
		}
		_ = w.WriteMsg(r)
	}
}

func refuses(w dns.ResponseWriter, q *dns.Msg) {
	_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeRefused))
}

// nobody is an address where nothing listens.
func nobody(t *testing.T) netip.AddrPort {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer pc.Close()
	return netip.MustParseAddrPort(pc.LocalAddr().String())
}

func TestForwards(t *testing.T) {
	s := serve(t, Options{}, map[string]int{"web": 1})
	var asked atomic.Int64
	good := upstream(t, func(w dns.ResponseWriter, q *dns.Msg) {
		asked.Add(1)
		says(2)(w, q)
	})
	for name, upstreams := range map[string][]netip.AddrPort{
		"the first one answers":    {good, nobody(t)},
		"the first one is away":    {nobody(t), good},
		"the first one refuses":    {upstream(t, refuses), good},
		"the first one talks back": {upstream(t, wrongID), good},
	} {
		t.Run(name, func(t *testing.T) {
			s.Set(MakeZones(nil, s.fabric, []Asker{askerAt(client, upstreams...)}))
			for _, proto := range []string{"udp", "tcp"} {
				r := s.ask(t, proto, client, a("example.com"))
				require.Equal(t, dns.RcodeSuccess, r.Rcode)
				require.Len(t, r.Answer, 2)
				require.EqualValues(t, 60, r.Answer[0].Header().Ttl)
			}
			require.NotZero(t, asked.Swap(0))
			require.Len(t, s.ask(t, "udp", client, a("web")).Answer, 1)
			require.Equal(t, dns.RcodeSuccess, s.ask(t, "udp", client, new(dns.Msg).SetQuestion("web.", dns.TypeAAAA)).Rcode)
			require.Zero(t, asked.Load(), "our own names are asked of nobody")
		})
	}
}

// wrongID answers a question that nobody asked.
func wrongID(w dns.ResponseWriter, q *dns.Msg) {
	r := new(dns.Msg).SetReply(q)
	r.Id++
	_ = w.WriteMsg(r)
	r = new(dns.Msg).SetReply(q)
	r.Question[0].Name = "elsewhere.example."
	_ = w.WriteMsg(r)
	_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
}

func TestForwardsFailures(t *testing.T) {
	s := serve(t, Options{}, nil)
	for name, upstreams := range map[string][]netip.AddrPort{
		"nobody answers":   {nobody(t), nobody(t)},
		"there is nobody":  nil,
		"all of them fail": {upstream(t, wrongID)},
	} {
		t.Run(name, func(t *testing.T) {
			s.Set(MakeZones(nil, s.fabric, []Asker{askerAt(client, upstreams...)}))
			require.Equal(t, dns.RcodeServerFailure, s.ask(t, "udp", client, a("example.com")).Rcode)
		})
	}
}

func TestForwardsWhatDoesNotFit(t *testing.T) {
	s := serve(t, Options{}, nil)
	s.Set(MakeZones(nil, s.fabric, []Asker{askerAt(client, upstream(t, says(300)))}))

	r := s.ask(t, "udp", client, a("example.com"))
	require.True(t, r.Truncated)
	r.Compress = true
	require.LessOrEqual(t, r.Len(), dns.MinMsgSize)
	require.Len(t, s.ask(t, "tcp", client, a("example.com")).Answer, 300, "the upstream was asked over TCP")

	q := a("example.com")
	q.SetEdns0(1232, true)
	cookie := &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0123456789abcdef"}
	q.IsEdns0().Option = append(q.IsEdns0().Option, cookie)
	r = s.ask(t, "tcp", client, q)
	require.Len(t, r.Answer, 300)
	require.Len(t, r.IsEdns0().Option, 1, "extensions go through both ways")
	require.Equal(t, cookie.String(), r.IsEdns0().Option[0].String())
}

func TestHostsServers(t *testing.T) {
	conf := &resolvConf{path: filepath.Join(t.TempDir(), "resolv.conf"), clock: env.Real()}
	later := func() { conf.read.Load().at = time.Time{} }
	require.Empty(t, conf.servers())
	for _, text := range []string{"nameserver 127.0.0.53\noptions edns0\nsearch a b\n", "nameserver 1.1.1.1\nnameserver bad\nnameserver fe80::1%eth0\nnameserver ::1\nnameserver 9.9.9.9\n"} {
		require.NoError(t, os.WriteFile(conf.path, []byte(text), 0o644))
		before := conf.read.Load().addrs
		require.Equal(t, before, conf.servers(), "for a second nothing is read again")
		later()
		require.NotEqual(t, before, conf.servers())
	}
	require.Equal(t, "[1.1.1.1:53 [fe80::1%eth0]:53 [::1]:53]", fmt.Sprint(conf.servers()))
	require.NoError(t, os.Remove(conf.path))
	later()
	require.Len(t, conf.servers(), 3, "what cannot be read leaves what was there")
}

func TestTooManyWait(t *testing.T) {
	g := newSeats[place](mostWaiting, mostWaitingOfOne)
	one, other := place{addr: netip.MustParseAddr("10.0.0.1")}, place{addr: netip.MustParseAddr("10.0.0.2")}
	for range mostWaitingOfOne {
		require.True(t, g.take(one))
	}
	require.False(t, g.take(one))
	require.True(t, g.take(other))
	g.leave(one)
	require.True(t, g.take(one))
	for i := mostWaitingOfOne + 1; i < mostWaiting; i++ {
		require.True(t, g.take(place{addr: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})}))
	}
	require.False(t, g.take(place{addr: netip.MustParseAddr("10.0.0.3")}))

	s := serve(t, Options{}, nil)
	for i := range mostWaiting {
		require.True(t, s.gate.take(place{addr: netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)})}))
	}
	require.Equal(t, dns.RcodeServerFailure, s.ask(t, "udp", client, a("example.com")).Rcode)
	require.Equal(t, dns.RcodeServerFailure, s.ask(t, "tcp", client, a("example.com")).Rcode)
}

// TestIdleConnections: one container that keeps connections open leaves room for the others, and who is no container of
// this node has none.
func TestIdleConnections(t *testing.T) {
	s := serve(t, Options{}, map[string]int{"web": 1})
	s.Set(MakeZones(nil, s.fabric, []Asker{askerAt(client), askerAt("127.9.0.51")}))
	open := func(from string) net.Conn {
		conn, err := dialer("tcp", from).Dial("tcp", s.addr)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	answered := func(conn net.Conn) bool {
		c := &dns.Conn{Conn: conn}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if c.WriteMsg(a("web")) != nil {
			return false
		}
		_, err := c.ReadMsg()
		return err == nil
	}
	var kept []net.Conn
	for range mostConnsOfOne {
		kept = append(kept, open(client))
	}
	require.True(t, answered(kept[mostConnsOfOne-1]))
	require.False(t, answered(open(client)), "one more than it may have")
	require.True(t, answered(open("127.9.0.51")), "another container")
	require.False(t, answered(open("127.9.0.52")), "nobody that is known")
	require.NoError(t, kept[0].Close())
	require.Eventually(t, func() bool { return answered(open(client)) }, 10*time.Second, 10*time.Millisecond)
}

func TestStrangeMessages(t *testing.T) {
	s := serve(t, Options{}, map[string]int{"web": 1})
	for name, c := range map[string]struct {
		change func(*dns.Msg)
		rcode  int
	}{
		"another class":    {func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }, dns.RcodeNotImplemented},
		"no question":      {func(m *dns.Msg) { m.Question = nil }, dns.RcodeFormatError},
		"two questions":    {func(m *dns.Msg) { m.Question = slices.Repeat(m.Question, 2) }, dns.RcodeFormatError},
		"a notification":   {func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }, dns.RcodeNotImplemented},
		"a whole zone":     {func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAXFR }, dns.RcodeRefused},
		"of another place": {func(m *dns.Msg) { m.Question[0].Name = "web.front." }, dns.RcodeSuccess},
	} {
		t.Run(name, func(t *testing.T) {
			q := a("web")
			c.change(q)
			for _, proto := range []string{"udp", "tcp"} {
				require.Equal(t, dns.RcodeToString[c.rcode], dns.RcodeToString[s.ask(t, proto, client, q).Rcode])
			}
		})
	}
}

func TestSocketThatFailsEndsBoth(t *testing.T) {
	s := New(Options{Env: env.Real(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	pc, err := net.ListenPacket("udp", "127.9.0.1:0")
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.9.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	require.ErrorIs(t, s.Serve(t.Context(), idOf(overlay), pc, ln), net.ErrClosed)
	require.True(t, errors.Is(pc.Close(), net.ErrClosed))
}

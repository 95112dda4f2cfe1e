package address

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAdvertise(t *testing.T) {
	eth := func(name string, addrs ...string) Interface {
		i := Interface{Name: name, Up: true}
		for _, a := range addrs {
			i.Addrs = append(i.Addrs, netip.MustParsePrefix(a))
		}
		return i
	}
	lo := Interface{Name: "lo", Up: true, Loopback: true, Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}}
	one := []Interface{lo, eth("eth0", "192.0.2.7/24", "fe80::1/64", "2001:db8::7/64"), eth("docker0", "172.17.0.1/16")}
	two := append(slices.Clone(one[:2]), eth("eth1", "198.51.100.3/24"))
	docker := []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")}

	for _, c := range []struct {
		name, in, listen string
		system           []Interface
		want, err        string
		remotes          []string
	}{
		{"the only address", "", DefaultListen, one, "192.0.2.7:2377", "", nil},
		{"a port kept from listening", "", "0.0.0.0:4567", one, "192.0.2.7:4567", "", nil},
		{"the listening address", "", "192.0.2.7:2377", two, "192.0.2.7:2377", "", nil},
		{"an interface", "eth1", DefaultListen, two, "198.51.100.3:2377", "", nil},
		{"an interface and a port", "eth1:999", DefaultListen, two, "198.51.100.3:999", "", nil},
		{"an address", "203.0.113.9", "0.0.0.0:4567", two, "203.0.113.9:4567", "", nil},
		{"two to choose from", "", DefaultListen, two, "", "could not choose an IP address to advertise since this system has multiple addresses on different interfaces (192.0.2.7 on eth0 and 198.51.100.3 on eth1) - specify one with --advertise-addr", nil},
		{"the way to a manager", "", "0.0.0.0:4567", two, "127.0.0.1:4567", "", []string{"not an address", "127.0.0.1"}},
		{"no way to a manager", "", DefaultListen, []Interface{lo}, "", ErrNone.Error(), []string{"not an address"}},
		{"the only address, whatever the way", "", DefaultListen, one, "192.0.2.7:2377", "", []string{"127.0.0.1:2377"}},
		{"none", "", DefaultListen, []Interface{lo}, "", ErrNone.Error(), nil},
		{"not an address", "bogus", DefaultListen, one, "", ErrBadAdvertise.Error(), nil},
		{"every address", "0.0.0.0", DefaultListen, one, "", ErrBadAdvertise.Error(), nil},
		{"a bad port", "192.0.2.7:0", DefaultListen, one, "", ErrBadAdvertise.Error(), nil},
		{"v6 in brackets, without a port", "[2001:db8::7]", DefaultListen, one, "[2001:db8::7]:2377", "", nil},
		{"v6 without brackets", "2001:db8::7", "0.0.0.0:4567", one, "[2001:db8::7]:4567", "", nil},
		{"v6 in brackets", "[2001:db8::7]:2377", DefaultListen, one, "[2001:db8::7]:2377", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			listen, err := Listen(c.listen, c.system)
			require.NoError(t, err)
			got, err := Advertise(c.in, listen, c.system, docker, c.remotes)
			if c.err != "" {
				require.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got.String())
		})
	}
}

func TestDataPath(t *testing.T) {
	system := []Interface{
		{Name: "eth0", Up: true, Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24")}},
		{Name: "eth1", Up: true, Addrs: []netip.Prefix{netip.MustParsePrefix("198.51.100.3/24")}},
	}
	for in, want := range map[string]string{"": "invalid IP", "eth1": "198.51.100.3", "203.0.113.9": "203.0.113.9"} {
		got, err := DataPath(in, system)
		require.NoError(t, err, in)
		require.Equal(t, want, got.String(), in)
	}
	for _, in := range []string{"0.0.0.0", "nosuchif", "192.0.2.7:4789", "::"} {
		_, err := DataPath(in, system)
		require.ErrorIs(t, err, ErrBadDataPath, in)
	}
}

func TestListenRefusesNonsense(t *testing.T) {
	for _, s := range []string{"nosuchif", "1.2.3.4:99999", "1.2.3.4:x"} {
		_, err := Listen(s, nil)
		require.ErrorIs(t, err, ErrBadListen, s)
	}
}

func TestListenFor(t *testing.T) {
	for _, c := range []struct{ listen, advertise, want string }{
		{"0.0.0.0:2377", "192.0.2.7", "0.0.0.0:2377"},
		{"0.0.0.0:4567", "2001:db8::7", "[::]:4567"},
		{"192.0.2.7:2377", "2001:db8::7", "192.0.2.7:2377"},
		{"[::]:2377", "192.0.2.7", "[::]:2377"},
	} {
		got := ListenFor(netip.MustParseAddrPort(c.listen), netip.MustParseAddr(c.advertise))
		require.Equal(t, c.want, got.String())
	}
}

func TestWithPort(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7": "192.0.2.7:2377", "192.0.2.7:99": "192.0.2.7:99", "host": "host:2377",
		"2001:db8::7": "[2001:db8::7]:2377", "[2001:db8::7]": "[2001:db8::7]:2377", "[2001:db8::7]:99": "[2001:db8::7]:99",
	} {
		require.Equal(t, want, WithPort(in))
	}
}

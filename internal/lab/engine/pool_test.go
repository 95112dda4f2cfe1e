package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestNetworkDecisions runs the decisions about the machine's network, without touching it, over the scripts in testdata.
func TestNetworkDecisions(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "pool":
				pool, err := freePool(prefixesIn(d.Input))
				if err != nil {
					return err.Error()
				}
				n := hostNetwork{Bridge: "skep00000001", Pool: pool}
				return fmt.Sprintf("pool %s, bridge %s\n%s", pool, n.bridgeAddr(), strings.Join(n.daemonArgs(), " "))
			case "bridges":
				ours, others := bridgesIn(d.Input, netip.MustParsePrefix("10.100.0.0/16"))
				return fmt.Sprintf("ours %v others %v", ours, others)
			case "undo":
				n := hostNetwork{
					Bridge: "skep00000001", Pool: netip.MustParsePrefix("10.100.0.0/16"),
					OwnFirewall: !d.HasArg("foreign-firewall"), ForwardPolicy: "ACCEPT",
				}
				return undoRules(d.Input, n, []string{"br-aaaaaaaaaaaa", n.Bridge}, d.HasArg("other-engines"))
			default:
				d.Fatalf(t, "unknown command %s", d.Cmd)
				return ""
			}
		})
	})
}

func TestNoPoolLeft(t *testing.T) {
	var used []netip.Prefix
	for i := range 128 {
		used = append(used, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(100 + i), 7, 0}), 24))
	}
	if p, err := freePool(used); err == nil {
		t.Errorf("got %s though every pool is used", p)
	}
	if p, err := freePool(slices.Delete(used, 90, 91)); err != nil || p.Addr().As4()[1] != 190 {
		t.Errorf("got %s, %v; only 10.190.0.0/16 is free", p, err)
	}
}

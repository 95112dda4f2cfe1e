package hosts

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestFaults shows, for each script of faults, what people are told and what the switch is.
func TestFaults(t *testing.T) {
	l, err := newLab(Config{Dir: "/lab", Managers: 3, Workers: 2, Subnet: netip.MustParsePrefix("10.77.0.0/24")}, state{})
	if err != nil {
		t.Fatal(err)
	}
	datadriven.RunTest(t, "testdata/faults.txt", func(t *testing.T, d *datadriven.TestData) string {
		var f faults
		var shaped strings.Builder
		for line := range strings.Lines(d.Input) {
			words := strings.Fields(line)
			switch words[0] {
			case "partition", "one-way":
				var named [][]string
				for _, w := range words[1:] {
					named = append(named, strings.Split(w, ","))
				}
				groups, err := l.groups(named)
				if err != nil {
					return "error: " + err.Error()
				}
				f.separate(groups, words[0] == "one-way")
			case "loss":
				f.Loss = map[string]int{words[1]: 30, words[2]: 100}
			case "delay":
				f.Delay = map[string]time.Duration{words[1]: 50 * time.Millisecond}
			case "rate":
				rate, err := ParseBitrate(words[2])
				if err != nil {
					return "error: " + err.Error()
				}
				f.Rate = with(f.Rate, words[1], rate)
				for _, args := range f.shape(words[1]).commands("eth0") {
					fmt.Fprintln(&shaped, "tc", strings.Join(args, " "))
				}
			default:
				t.Fatalf("unknown word %s", words[0])
			}
		}
		return f.String() + shaped.String() + "--\n" + f.rules()
	})
}

// TestPlan shows the machines of a lab.
func TestPlan(t *testing.T) {
	const want = `127.0.0.1 localhost
::1 localhost ip6-localhost
10.9.8.1 switch
10.9.8.11 m1
10.9.8.12 m2
10.9.8.101 w1
10.9.8.2 client
`
	machines := plan(Config{Managers: 2, Workers: 1, Subnet: netip.MustParsePrefix("10.9.8.0/24")})
	if got := etcHosts(machines); got != want {
		t.Errorf("the machines are\n%s", got)
	}
	if got := machines[3].mac(); got != "02:77:0a:09:08:65" && machines[3].Name == "w1" {
		t.Errorf("the MAC of w1 is %s", got)
	}
	if got := machines[3].address6().String(); got != "fd77::101" {
		t.Errorf("the IPv6 address of w1 is %s", got)
	}
	seen := map[netip.Addr]string{}
	for _, m := range plan(Config{Managers: maxManagers, Workers: maxWorkers, Subnet: netip.MustParsePrefix("10.9.8.0/24")}) {
		if seen[m.Address] != "" {
			t.Errorf("%s and %s have the address %s", seen[m.Address], m.Name, m.Address)
		}
		if seen[m.address6()] != "" {
			t.Errorf("%s and %s have the address %s", seen[m.address6()], m.Name, m.address6())
		}
		seen[m.Address], seen[m.address6()] = m.Name, m.Name
	}
}

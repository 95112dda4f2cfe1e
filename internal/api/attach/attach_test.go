package attach

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"pgregory.net/rapid"
)

// TestDataDriven rewrites requests for a cluster with the networks open (10.0.1.0/24), back (10.0.2.0/24) and vlan, which
// another driver than overlay addresses; the id of open names it too.
func TestDataDriven(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "networks":
				return strings.Join(Networks([]byte(d.Input)), "\n")
			case "create":
				places := map[string]Place{}
				for _, ref := range Networks([]byte(d.Input)) {
					if p, ok := placesHere()[ref]; ok {
						places[ref] = p
					}
				}
				return answer(Create([]byte(d.Input), places))
			case "connect":
				return answer(Connect([]byte(d.Input), placesHere()["open"]))
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

func placesHere() map[string]Place {
	vlan := swarm.NetworkSpec{DriverConfiguration: &swarm.Driver{Name: "macvlan"}}
	open := PlaceOf(executor.Network{ID: model.NumID(1), Name: "open", Subnet: "10.0.1.0/24", Gateway: "10.0.1.1"})
	return map[string]Place{
		"open": open, "theid": open,
		"back": PlaceOf(executor.Network{ID: model.NumID(2), Name: "back", Subnet: "10.0.2.0/24", Gateway: "10.0.2.1"}),
		"vlan": PlaceOf(executor.Network{ID: model.NumID(3), Name: "vlan", Subnet: "10.0.3.0/24", Gateway: "10.0.3.1", Spec: &vlan}),
	}
}

func answer(out []byte, err error) string {
	if err != nil {
		return fmt.Sprintf("%d %s", httperr.Status(err), err)
	}
	return string(out)
}

// TestWhatIsNotOursStays: members that no rule is about come through as they were sent, and the address asked for is the
// one the plugin is asked for.
func TestWhatIsNotOursStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z]{1,8}`)
		addr := netip.AddrFrom4([4]byte{10, 0, 1, rapid.Byte().Draw(t, "host")})
		sent := map[string]any{
			"Image": word.Draw(t, "image"), "New": map[string]any{word.Draw(t, "field"): word.Draw(t, "value")},
			"HostConfig":       map[string]any{"NetworkMode": "open", "Memory": rapid.Int64().Draw(t, "memory")},
			"NetworkingConfig": map[string]any{"EndpointsConfig": map[string]any{"open": map[string]any{"Aliases": []string{word.Draw(t, "alias")}, "IPAMConfig": map[string]string{"IPv4Address": addr.String()}}}},
		}
		body, err := json.Marshal(sent)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Create(body, map[string]Place{"open": placesHere()["open"]})
		own := addr.As4()[3] < 2
		if own != (err != nil) {
			t.Fatalf("%s: %v", addr, err)
		}
		if own {
			return
		}
		before, after := objectOf(body), objectOf(out)
		for _, name := range []string{"Image", "New"} {
			if string(before[name]) != string(after[name]) {
				t.Fatalf("%s was %s and became %s", name, before[name], after[name])
			}
		}
		if string(before.object("HostConfig")["Memory"]) != string(after.object("HostConfig")["Memory"]) {
			t.Fatalf("the host's settings became %s", out)
		}
		endpoint := after.object("NetworkingConfig").object("EndpointsConfig").object("open")
		if asked := endpoint.object("DriverOpts").text("skep.address"); asked != addr.String()+"/24" || len(endpoint.list("Aliases")) != 1 {
			t.Fatalf("%s became %s", body, out)
		}
	})
}

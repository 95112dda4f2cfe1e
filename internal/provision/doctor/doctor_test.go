package doctor

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// sound is a host with which nothing is wrong.
const sound = `{
"host": "m1", "root": true, "kernel": "6.1.0", "cgroups": 2, "clockKept": true,
"features": [{"name": "VXLAN", "module": "vxlan"}],
"sysctls": {"net.ipv4.ip_forward": "1", "net.netfilter.nf_conntrack_count": "10", "net.netfilter.nf_conntrack_max": "1000", "net.ipv4.neigh.default.gc_thresh3": "1024"},
"engine": {"installed": true, "address": "unix:///var/run/docker.sock", "version": "20.10.24+dfsg1", "swarm": "inactive", "rootDir": "/var/lib/docker"},
"disks": [{"path": "/var/lib", "free": 50000000000, "total": 100000000000, "freeNodes": 900, "nodes": 1000}],
"ports": [],
"uplink": {"name": "eth0", "mtu": 1500}, "overlay": {"name": "skep-ingress", "mtu": 1450},
"daemon": {"installed": true, "address": "unix:///run/skep/skep.sock", "version": "1.0", "state": "active", "manager": true},
"managers": [{"addr": "192.0.2.2:2377"}],
"nodes": [{"name": "m1"}, {"name": "w1"}]
}`

// TestJudge: what is otherwise than on a sound host is the input, what is found the output.
func TestJudge(t *testing.T) {
	datadriven.RunTest(t, "testdata/judge.txt", func(t *testing.T, d *datadriven.TestData) string {
		var f Facts
		for _, text := range []string{sound, "{" + d.Input + "}"} {
			if err := json.Unmarshal([]byte(text), &f); err != nil {
				d.Fatalf(t, "%s", err)
			}
		}
		as := map[string]Stage{"bare": Bare, "node": Full}[d.Cmd]
		var out strings.Builder
		all := Judge(f, as)
		for _, one := range all {
			fmt.Fprintf(&out, "%s: %s: %s\n  %s\n  $ %s\n", one.Level, one.Area, one.What, one.Why, one.Mend)
			if one.What == "" || one.Why == "" || one.Mend == "" {
				t.Errorf("a finding lacks something: %+v", one)
			}
		}
		fmt.Fprintf(&out, "sound: %v\n", Sound(all))
		return out.String()
	})
}

func TestClock(t *testing.T) {
	began := time.Unix(1000, 0)
	ended := began.Add(2 * time.Second)
	for at, found := range map[int64]bool{1000: false, 1002: false, 1030: false, 1033: true, 971: false, 969: true} {
		if got := Clock(time.Unix(at, 0), began, ended, 30*time.Second); (len(got) > 0) != found {
			t.Errorf("at %d: %v", at, got)
		}
	}
}

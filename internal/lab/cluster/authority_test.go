package cluster

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// rotations: the certificate authority is replaced under running services.
func rotations(f *fixture) {
	f.create("m1", "steady", "--mode", "global")
	f.runs(settleLimit, "steady", 5)
	f.sub("a node that is off is waited for", rotationWaits)
	f.sub("tokens of before let nobody in", oldTokens)
	f.sub("a leader dies in the midst", rotationWithoutLeader)
}

// turning tells whether a rotation goes on.
func (f *fixture) turning(via string) bool {
	return f.docker(via, "info", "--format", "{{.Swarm.Cluster.RootRotationInProgress}}") == "true"
}

// trusted waits until hosts trust a root and no other.
func (f *fixture) trusted(root string, hosts ...string) {
	f.t.Helper()
	f.eventually(settleLimit, func() string {
		for _, h := range hosts {
			got, err := os.ReadFile(filepath.Join(f.Dir(), h, "skep", "swarm", "ca.crt"))
			if err != nil || strings.TrimSpace(string(got)) != root {
				return fmt.Sprintf("%s trusts another root than the new one (%v)", h, err)
			}
		}
		return ""
	})
}

// steady are the containers of a service on hosts.
func (f *fixture) steady(hosts ...string) map[string]string {
	all := map[string]string{}
	for _, h := range hosts {
		maps.Copy(all, f.containers(h, "steady"))
	}
	return all
}

func rotationWaits(f *fixture) {
	up := []string{"m1", "m2", "m3", "w1"}
	before, old := f.steady(up...), f.docker("m2", "swarm", "ca")
	f.must(f.Host("w2").Kill(f.t.Context()))
	f.nodes("m1", manager("m1"), manager("m2"), manager("m3"), worker("w1"), down("w2"))
	f.docker("m2", "swarm", "ca", "--rotate", "--detach")
	if !f.turning("m3") {
		f.t.Error("at once after it was asked for, a manager knows of no rotation")
	}
	issuer := f.docker("m1", "info", "--format", "{{printf \"%x\" .Swarm.Cluster.TLSInfo.CertIssuerPublicKey}}")
	f.eventually(settleLimit, func() string {
		for _, h := range up {
			if got := f.docker("m1", "node", "inspect", "--format", "{{printf \"%x\" .Description.TLSInfo.CertIssuerPublicKey}}", h); got != issuer {
				return h + " has not renewed"
			}
		}
		return ""
	})
	if !f.turning("m1") || f.docker("m1", "swarm", "ca") != old {
		f.t.Error("the root was replaced while a node was off: it would never come back")
	}
	f.must(f.Host("w2").Start(f.t.Context()))
	took := f.eventually(settleLimit, func() string {
		if f.turning("m1") {
			return "the rotation goes on"
		}
		return ""
	})
	f.t.Logf("the rotation was over %v after the last node was back", took)
	root := f.docker("m1", "swarm", "ca")
	if root == old {
		f.t.Error("the root is the old one")
	}
	f.trusted(root, append(up, "w2")...)
	f.nodes("m3", manager("m1"), manager("m2"), manager("m3"), worker("w1"), worker("w2"))
	f.runs(settleLimit, "steady", 5)
	if after := f.steady(up...); !maps.Equal(before, after) {
		f.t.Errorf("a rotation restarted tasks: %v, then %v", before, after)
	}
}

func oldTokens(f *fixture) {
	old := f.token("m1", "worker")
	said := f.docker("m1", "swarm", "ca", "--rotate") // with its progress
	if !strings.Contains(said, "-----BEGIN CERTIFICATE-----") {
		f.t.Errorf("docker swarm ca --rotate ends with %s", said)
	}
	f.trusted(f.docker("m1", "swarm", "ca"), "m1", "m2", "m3", "w1", "w2")
	f.docker("w2", "swarm", "leave")
	f.refused("w2", "the cluster's root certificate has been replaced since it was printed", "swarm", "join", "--token", old, f.address("m1"))
	f.unjoined("w2")
	f.docker("w2", "swarm", "join", "--token", f.token("m2", "worker"), f.address("m1"))
	f.nodesReady("m1", 5)
	f.eventually(settleLimit, func() string {
		if _, errs, err := f.try("m1", "node", "rm", f.lost("m1")); err != nil {
			return errs
		}
		return ""
	})
	f.runs(settleLimit, "steady", 5)
}

// nodesReady waits for so many ready nodes.
func (f *fixture) nodesReady(via string, n int) {
	f.t.Helper()
	f.eventually(settleLimit, func() string {
		if got := strings.Count(f.docker(via, "node", "ls", "--format", "{{.Status}}"), "Ready"); got != n {
			return fmt.Sprintf("%d of %d nodes are ready", got, n)
		}
		return ""
	})
}

// lost is the node that is down.
func (f *fixture) lost(via string) string {
	for line := range strings.Lines(f.docker(via, "node", "ls", "--format", "{{.ID}} {{.Status}}")) {
		if id, down := strings.CutSuffix(strings.TrimSpace(line), " Down"); down {
			return id
		}
	}
	return "nobody"
}

func rotationWithoutLeader(f *fixture) {
	leader := f.leader("m1")
	via := map[string]string{"m1": "m2", "m2": "m3", "m3": "m1"}[leader]
	var rest []string
	for _, h := range []string{"m1", "m2", "m3", "w1", "w2"} {
		if h != leader {
			rest = append(rest, h)
		}
	}
	before, old := f.steady(rest...), f.docker(via, "swarm", "ca")
	f.docker(via, "swarm", "ca", "--rotate", "--detach")
	f.must(f.Host(leader).Kill(f.t.Context()))
	f.must(f.Host(leader).Start(f.t.Context()))
	f.eventually(2*settleLimit, func() string {
		if f.turning(via) {
			return "the rotation goes on"
		}
		return ""
	})
	root := f.docker(via, "swarm", "ca")
	if root == old {
		f.t.Error("the root is the old one")
	}
	f.trusted(root, "m1", "m2", "m3", "w1", "w2")
	f.nodesReady(via, 5)
	if after := f.steady(rest...); !maps.Equal(before, after) {
		f.t.Errorf("a rotation restarted tasks: %v, then %v", before, after)
	}
}

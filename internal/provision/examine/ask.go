package examine

import (
	"context"
	"os/exec"
	"time"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/provision"
	"github.com/skep-org/skep/internal/provision/doctor"
)

// netLimit is how long a check of all nodes' networks may take.
const netLimit = 40 * time.Second

func askEngine(ctx context.Context, address string) doctor.Engine {
	e := doctor.Engine{Address: address}
	for _, path := range []string{"dockerd", "/usr/sbin/dockerd", "/usr/local/sbin/dockerd", "/usr/local/bin/dockerd"} {
		if _, err := exec.LookPath(path); err == nil {
			e.Installed = true
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	info, err := infoAt(ctx, address)
	if err != nil {
		e.Err = cause(err)
		return e
	}
	e.Installed, e.Version, e.RootDir = true, info.Info.ServerVersion, info.Info.DockerRootDir
	e.Swarm = string(info.Info.Swarm.LocalNodeState)
	return e
}

func infoAt(ctx context.Context, address string) (client.SystemInfoResult, error) {
	c, err := client.New(client.WithHost(address))
	if err != nil {
		return client.SystemInfoResult{}, err
	}
	defer func() { _ = c.Close() }()
	return c.Info(ctx, client.InfoOptions{})
}

// askDaemon also tells where managers are.
func askDaemon(ctx context.Context, address string) (doctor.Daemon, []string) {
	d := doctor.Daemon{Address: address, Installed: exists(provision.Program) || exists(provision.DataDir)}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	info, err := infoAt(ctx, address)
	if err != nil {
		d.Err = cause(err)
		return d, nil
	}
	s := info.Info.Swarm
	d.Installed, d.State, d.StateErr, d.Manager = true, string(s.LocalNodeState), s.Error, s.ControlAvailable
	d.Version = daemonVersion(ctx, address)
	var addrs []string
	for _, m := range s.RemoteManagers {
		if m.NodeID != s.NodeID {
			addrs = append(addrs, m.Addr)
		}
	}
	return d, addrs
}

func daemonVersion(ctx context.Context, address string) string {
	c, err := client.New(client.WithHost(address))
	if err != nil {
		return ""
	}
	defer func() { _ = c.Close() }()
	v, err := c.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return ""
	}
	return provision.DaemonVersion(v.Components)
}

// checkNet has the daemon compare its networks with what they should be, on a manager those of all nodes.
func checkNet(ctx context.Context, ask NetCheck, all bool) ([]doctor.Node, string) {
	ctx, cancel := context.WithTimeout(ctx, netLimit)
	defer cancel()
	began := time.Now()
	got, err := ask(ctx, all)
	if err != nil {
		return nil, err.Error()
	}
	return nodesOf(got, began, time.Now()), ""
}

// nodesOf reads a check that was under way between two moments of this host's clock.
func nodesOf(got api.NetCheck, began, ended time.Time) []doctor.Node {
	var nodes []doctor.Node
	for _, n := range got.Nodes {
		one := doctor.Node{Name: got.Names[n.ID], Self: len(got.Nodes) == 1, Err: n.Err}
		if one.Name == "" {
			one.Name = n.ID
		}
		if n.Report != nil {
			one.Findings = n.Report.Findings
			switch at := n.Report.At; {
			case at.IsZero(): // a daemon that does not tell
			case at.Before(began):
				one.Skew = at.Sub(began)
			case at.After(ended):
				one.Skew = at.Sub(ended)
			}
		}
		nodes = append(nodes, one)
	}
	return nodes
}

package netcmd

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
)

// render is an answer for people: a line a node, with what was found below it.
func render(got api.NetCheck) string {
	nodes := slices.Clone(got.Nodes)
	slices.SortStableFunc(nodes, func(a, b api.NodeCheck) int { return cmp.Compare(name(got, a.ID), name(got, b.ID)) })
	var out strings.Builder
	for _, n := range nodes {
		if n.Report == nil {
			fmt.Fprintf(&out, "%s: not checked: %s\n", name(got, n.ID), n.Err)
			continue
		}
		state := "ok"
		if found := len(n.Report.Findings); found > 0 {
			state = count(found, "finding")
		}
		fmt.Fprintf(&out, "%s: %s; %s probed\n", name(got, n.ID), state, count(n.Report.Probed, "other node"))
		for i, f := range n.Report.Findings {
			fmt.Fprintf(&out, "  %s: %s: %s\n", f.Area, object(got, f), f.Wrong)
			// What has the same remedy is often one event: it is said once, below them all.
			if i+1 == len(n.Report.Findings) || n.Report.Findings[i+1].Remedy != f.Remedy {
				fmt.Fprintf(&out, "    %s\n", f.Remedy)
			}
		}
		for _, l := range n.Report.Left {
			fmt.Fprintf(&out, "  not probed: node %s: %s\n", name(got, l.Peer.String()), l.Why)
		}
	}
	return out.String()
}

// name is a node's host name. A worker knows no names: it has checked itself, and knows others by their ids.
func name(got api.NetCheck, id string) string {
	if len(got.Names) == 0 && len(got.Nodes) == 1 && got.Nodes[0].ID == id {
		return "this node"
	}
	return cmp.Or(got.Names[id], id)
}

func object(got api.NetCheck, f network.Finding) string {
	if f.Peer == (model.ID{}) {
		return f.Object
	}
	return fmt.Sprintf("%s (%s)", f.Object, name(got, f.Peer.String()))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// verdict is an error unless everything was checked and is well. What was left out because the managers know of it, as a
// node that is down, is no error.
func verdict(got api.NetCheck) error {
	found, unchecked := 0, 0
	for _, n := range got.Nodes {
		if n.Report == nil {
			unchecked++
		} else {
			found += len(n.Report.Findings)
		}
	}
	switch {
	case found > 0 && unchecked > 0:
		return fmt.Errorf("%s, and %s not checked", count(found, "finding"), count(unchecked, "node"))
	case found > 0:
		return errors.New(count(found, "finding"))
	case unchecked > 0:
		return errors.New(count(unchecked, "node") + " not checked")
	}
	return nil
}

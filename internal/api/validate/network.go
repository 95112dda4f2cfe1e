package validate

import (
	"net/http"
	"strconv"

	"github.com/moby/moby/api/types/network"
	"github.com/skep-org/skep/internal/api/httperr"
	clusternet "github.com/skep-org/skep/internal/network"
)

// predefinedLabel is on the networks that swarm makes for the engines' own; nobody else may say so.
const predefinedLabel = "com.docker.swarm.predefined"

// Network refuses a network of the cluster that cannot be meant, or that skep does not make.
func Network(req *network.CreateRequest) error {
	if req.Driver == "overlay" && req.Scope != "" && req.Scope != "swarm" {
		return httperr.New(http.StatusForbidden, "cannot downgrade network scope for overlay networks")
	}
	switch _, labelled := req.Labels[predefinedLabel]; {
	case req.Ingress && req.Driver != "overlay":
		return httperr.New(http.StatusForbidden, "Ingress network can only be global scope network")
	case req.Ingress && req.Attachable:
		return httperr.BadRequest("ingress network cannot be attachable")
	case labelled:
		return httperr.New(http.StatusForbidden, "label %s is for internally created predefined networks and cannot be applied by users", predefinedLabel)
	}
	if err := Name(req.Name); err != nil {
		return err
	}
	switch req.Driver {
	case "overlay":
	case "bridge", "macvlan", "ipvlan":
		return ipam(req.IPAM)
	default:
		return httperr.NotFound("plugin %q not found", req.Driver)
	}
	if err := ipam(req.IPAM); err != nil {
		return err
	}
	return overlay(req)
}

// ipam is held against swarm's rules.
func ipam(o *network.IPAM) error {
	if o == nil {
		return nil
	}
	if o.Driver != "" && o.Driver != "default" {
		return httperr.BadRequest("error during lookup of plugin %s", o.Driver) // the cluster hands out addresses itself
	}
	for _, c := range o.Config {
		switch {
		case !c.Subnet.IsValid():
			return httperr.BadRequest("ipam configuration: invalid subnet ")
		case c.IPRange.IsValid() && (!c.Subnet.Contains(c.IPRange.Addr()) || c.IPRange.Bits() < c.Subnet.Bits()):
			return httperr.BadRequest("ipam configuration: subnet %s does not contain range %s", c.Subnet, c.IPRange)
		case c.Gateway.IsValid() && !c.Subnet.Contains(c.Gateway):
			return httperr.BadRequest("ipam configuration: subnet %s does not contain gateway %s", c.Subnet, c.Gateway)
		}
	}
	return nil
}

// overlay refuses what skep's overlays cannot do yet, which would otherwise be taken and not kept.
func overlay(req *network.CreateRequest) error {
	switch {
	case req.EnableIPv6 != nil && *req.EnableIPv6:
		return httperr.NotImplemented("IPv6 is not supported by this version of skep on networks of the cluster: leave --ipv6 out")
	case req.ConfigFrom != nil && req.ConfigFrom.Network != "":
		return httperr.BadRequest("an overlay network takes no settings from a network of one node: leave --config-from out and give them to network %s itself", req.Name)
	}
	if err := mtu(req.Options); err != nil {
		return err
	}
	if req.IPAM == nil {
		return nil
	}
	for _, c := range req.IPAM.Config {
		switch {
		case !c.Subnet.Addr().Is4():
			return httperr.NotImplemented("IPv6 is not supported by this version of skep on networks of the cluster: leave the subnet %s out", c.Subnet)
		case c.Subnet.Bits() > narrowest:
			return httperr.BadRequest("ipam configuration: subnet %s has no room for a gateway and a container: /%d is the smallest", c.Subnet, narrowest)
		}
	}
	if len(req.IPAM.Config) > 1 {
		return httperr.NotImplemented("several subnets in one network are not supported by this version of skep: make a network for each")
	}
	return nil
}

const (
	narrowest = 30 // the smallest subnet with a gateway and a container
	// The bounds of IPv4, and room for the way between nodes.
	minMTU, maxMTU = 68 + clusternet.Overhead, 65535
)

func mtu(options map[string]string) error {
	text, given := options[clusternet.OptionMTU]
	if !given {
		return nil
	}
	if n, err := strconv.Atoi(text); err != nil || n < minMTU || n > maxMTU {
		return httperr.BadRequest("invalid %s %q: it is a number of bytes from %d to %d", clusternet.OptionMTU, text, minMTU, maxMTU)
	}
	return nil
}

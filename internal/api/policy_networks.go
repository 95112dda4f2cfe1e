package api

import (
	"net/http"
	"slices"

	"github.com/moby/moby/api/types/network"
	"github.com/skep-org/skep/internal/api/httperr"
	clusternet "github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/store"
)

// NetworkPolicy is whether networks are encrypted that nobody asks it for: in requests what is wanted, in answers what is.
type NetworkPolicy struct {
	Encrypt bool
	Plain   []string `json:",omitempty"` // overlay networks that are not encrypted, in answers
	Ingress string   `json:",omitempty"` // the ingress network, if that is not, in answers
}

func (s *Server) networkPolicy(r *request) error {
	v, _, err := r.view()
	if err != nil {
		return err
	}
	out, err := networkPolicyOf(v)
	if err != nil {
		return err
	}
	return r.json(http.StatusOK, out)
}

func (s *Server) setNetworkPolicy(r *request) error {
	var want NetworkPolicy
	if _, err := r.decode(&want); err != nil {
		return err
	}
	var out NetworkPolicy
	err := again(func() (err error) {
		out, err = r.trySetNetworkPolicy(want.Encrypt)
		return err
	})
	if err != nil {
		return err
	}
	return r.json(http.StatusOK, out)
}

func (r *request) trySetNetworkPolicy(encrypt bool) (NetworkPolicy, error) {
	v, m, err := r.view()
	if err != nil {
		return NetworkPolicy{}, err
	}
	out, err := networkPolicyOf(v)
	if err != nil || out.Encrypt == encrypt {
		return out, err
	}
	old := store.TheCluster(v)
	next := *old
	next.EncryptNetworks, out.Encrypt = encrypt, encrypt
	return out, r.commit(m, "swarm", old.ID.String(), store.Batch{
		Conditions: []store.Condition{store.Clusters.At(old)},
		Changes:    []store.Change{store.Clusters.Put(&next)},
	})
}

func networkPolicyOf(v store.View) (out NetworkPolicy, err error) {
	cluster := store.TheCluster(v)
	if cluster == nil {
		return out, httperr.NotFound("swarm not found")
	}
	out.Encrypt = cluster.EncryptNetworks
	for row := range store.Networks.All(v) {
		spec := row.Spec.Get()
		overlay := spec.DriverConfiguration == nil || spec.DriverConfiguration.Name == "" || spec.DriverConfiguration.Name == "overlay"
		switch {
		case !overlay || clusternet.Encrypts(spec):
		case spec.Ingress:
			out.Ingress = row.Name
		default:
			out.Plain = append(out.Plain, row.Name)
		}
	}
	slices.Sort(out.Plain)
	return out, nil
}

// encryptAsWanted has a network encrypted where all are to be.
func encryptAsWanted(v store.View, req *network.CreateRequest) {
	cluster := store.TheCluster(v)
	if cluster == nil || !cluster.EncryptNetworks || req.Driver != "overlay" {
		return
	}
	if req.Options == nil {
		req.Options = map[string]string{}
	}
	if _, there := req.Options[clusternet.OptionEncrypted]; !there {
		req.Options[clusternet.OptionEncrypted] = ""
	}
}

package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/privilege"
	"github.com/skep-org/skep/internal/store"
)

// PolicyRule is what a privilege is allowed to, in answers; in requests, what is to be added or taken away.
type PolicyRule struct {
	Privilege string
	Services  []string // patterns of names
}

// PolicyChange answers a request that takes rules away.
type PolicyChange struct {
	Gone    []string // the patterns that were there
	Without []string // services that ask for the privilege and are allowed it no more
}

// policyList shows the cluster's policy: each privilege, also those allowed to nobody.
func (s *Server) policyList(r *request) error {
	v, _, err := r.view()
	if err != nil {
		return err
	}
	cluster := store.TheCluster(v)
	if cluster == nil {
		return httperr.NotFound("swarm not found")
	}
	out := []PolicyRule{}
	for _, name := range privilege.Names() {
		out = append(out, PolicyRule{Privilege: name, Services: append([]string{}, cluster.Privileges[name]...)})
	}
	return r.json(http.StatusOK, out)
}

func (s *Server) policyAllow(r *request) error {
	_, err := r.changePolicy(true)
	if err != nil {
		return err
	}
	return r.ok()
}

func (s *Server) policyRemove(r *request) error {
	out, err := r.changePolicy(false)
	if err != nil {
		return err
	}
	return r.json(http.StatusOK, out)
}

// changePolicy writes a request's rule into the Cluster row, or takes it out.
func (r *request) changePolicy(allow bool) (PolicyChange, error) {
	var rule PolicyRule
	if _, err := r.decode(&rule); err != nil {
		return PolicyChange{}, err
	}
	if !privilege.Known(rule.Privilege) {
		return PolicyChange{}, httperr.BadRequest("there is no privilege %q: they are %s", rule.Privilege, strings.Join(privilege.Names(), ", "))
	}
	if allow && len(rule.Services) == 0 {
		return PolicyChange{}, httperr.BadRequest("no service is named: privilege %s is allowed to patterns of service names", rule.Privilege)
	}
	for _, pattern := range rule.Services {
		if err := privilege.CheckPattern(pattern); allow && err != nil {
			return PolicyChange{}, httperr.BadRequest("%s", err)
		}
	}
	var out PolicyChange
	err := again(func() (err error) {
		out, err = r.tryPolicy(rule, allow)
		return err
	})
	return out, err
}

func (r *request) tryPolicy(rule PolicyRule, allow bool) (PolicyChange, error) {
	v, m, err := r.view()
	if err != nil {
		return PolicyChange{}, err
	}
	old := store.TheCluster(v)
	if old == nil {
		return PolicyChange{}, httperr.NotFound("swarm not found")
	}
	var out PolicyChange
	next := *old
	if allow {
		next.Privileges = old.Privileges.With(rule.Privilege, rule.Services...)
	} else {
		next.Privileges, out.Gone = old.Privileges.Without(rule.Privilege, rule.Services...)
		if len(out.Gone) == 0 {
			return out, httperr.NotFound("privilege %s has no such rule: skep policy ls shows those there are", rule.Privilege)
		}
		out.Without = bereft(v, rule.Privilege, old.Privileges, next.Privileges)
	}
	err = r.commit(m, "swarm", old.ID.String(), store.Batch{
		Conditions: []store.Condition{store.Clusters.At(old)},
		Changes:    []store.Change{store.Clusters.Put(&next)},
	})
	return out, err
}

// bereft are the services that lose a privilege which they use.
func bereft(v store.View, name string, before, after privilege.Policy) []string {
	var out []string
	for s := range store.Services.All(v) {
		if before.Allows(name, s.Name) && !after.Allows(name, s.Name) && uses(current(v, s), name) {
			out = append(out, s.Name)
		}
	}
	slices.Sort(out)
	return out
}

func uses(rev *model.ServiceRevision, name string) bool {
	if rev == nil {
		return false
	}
	asked, err := privilege.Parse(rev.Spec.Get().Labels)
	return err == nil && asked.Asks(name)
}

package api

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/store"
)

// What no node's state allows.
const (
	alreadyMember = `This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.`
	notMember     = "This node is not part of a swarm"
	leavingLocked = "Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message."
	noAutolock    = "locking the managers' data at rest (autolock) is not supported by this version of skep"
)

func (s *Server) swarmInspect(r *request) error {
	v, _, err := r.view()
	if err != nil {
		return err
	}
	c := store.TheCluster(v)
	if c == nil {
		return httperr.NotFound("swarm not found")
	}
	return r.kind(versions.Swarm, render.Swarm(v, c))
}

func (s *Server) swarmInit(r *request) error {
	var req swarm.InitRequest
	if raw, err := r.decode(&req); err != nil {
		return cmp.Or(badPool(raw), err)
	}
	if req.ForceNewCluster {
		return s.forceNewCluster(r, req)
	}
	if s.Cluster.State().Local != swarm.LocalNodeStateInactive {
		return httperr.Unavailable(alreadyMember)
	}
	if req.ListenAddr == "" {
		return httperr.BadRequest(`invalid ListenAddr "": invalid empty address`)
	}
	if err := s.checkInit(&req); err != nil {
		return err
	}
	id, err := s.Cluster.Init(r.Context(), req)
	if err != nil {
		return err
	}
	return r.json(http.StatusOK, id)
}

// badPool says, in Docker's words, which of the pools in a request that cannot be read is the reason; nil is none.
func badPool(raw []byte) error {
	var asked struct{ DefaultAddrPool []string }
	if err := json.Unmarshal(raw, &asked); err != nil {
		return nil //nolint:nilerr // then it is not a pool that cannot be read
	}
	for _, pool := range asked.DefaultAddrPool {
		if _, err := netip.ParsePrefix(pool); err != nil {
			return httperr.New(http.StatusInternalServerError, "invalid base pool %s: invalid CIDR address: %s", pool, pool)
		}
	}
	return nil
}

// checkAvailability is for nodes that found a cluster or join one.
func checkAvailability(a swarm.NodeAvailability) error {
	switch a {
	case "", swarm.NodeAvailabilityActive, swarm.NodeAvailabilityPause, swarm.NodeAvailabilityDrain:
		return nil
	}
	return httperr.New(http.StatusInternalServerError, "invalid Availability: %q", string(a))
}

func (s *Server) checkInit(req *swarm.InitRequest) error {
	if err := checkAvailability(req.Availability); err != nil {
		return err
	}
	switch {
	case req.DataPathPort != 0 && (req.DataPathPort < 1024 || req.DataPathPort > 49151):
		return httperr.New(http.StatusInternalServerError, "Datapath port number is not in valid range (1024-49151) : %d", req.DataPathPort)
	case req.SubnetSize > 32:
		return httperr.New(http.StatusInternalServerError, "subnet size is out of range: %d", req.SubnetSize)
	case req.SubnetSize > 29:
		return httperr.BadRequest("subnet size %d leaves no room for containers: 29 is the smallest subnet", req.SubnetSize)
	}
	for _, pool := range req.DefaultAddrPool {
		if !pool.IsValid() || pool != pool.Masked() {
			return httperr.BadRequest("invalid default address pool %q: give a network such as 10.10.0.0/16", pool.String())
		}
		if req.SubnetSize != 0 && int(req.SubnetSize) < pool.Bits() {
			return httperr.New(http.StatusInternalServerError, "invalid CIDR: %q. Subnet size is too small for pool: %d", pool.String(), req.SubnetSize)
		}
	}
	if ca := req.Spec.CAConfig; ca.SigningCACert != "" || ca.SigningCAKey != "" {
		// Swarm takes them here and does not use them.
		return httperr.NotImplemented("a cluster is not founded with a certificate authority that is given: found it, then docker swarm ca --rotate --ca-cert FILE --ca-key FILE")
	}
	req.Spec.EncryptionConfig.AutoLockManagers = req.Spec.EncryptionConfig.AutoLockManagers || req.AutoLockManagers
	return s.checkSpec(&req.Spec)
}

// checkSpec refuses the settings of a cluster that would be taken and not kept.
func (s *Server) checkSpec(spec *swarm.Spec) error {
	if _, can := s.Cluster.(Locker); spec.EncryptionConfig.AutoLockManagers && !can {
		return httperr.NotImplemented(noAutolock)
	}
	ca := spec.CAConfig
	for _, external := range ca.ExternalCAs {
		if external == nil || !strings.EqualFold(string(external.Protocol), string(swarm.ExternalCAProtocolCFSSL)) {
			return httperr.BadRequest("invalid protocol: %q", protocolOf(external))
		}
		external.Protocol = swarm.ExternalCAProtocolCFSSL
	}
	switch {
	case ca.NodeCertExpiry != 0 && ca.NodeCertExpiry < minCertExpiry:
		return httperr.BadRequest("minimum certificate expiry time is: 1h0m0s")
	case spec.Dispatcher.HeartbeatPeriod < 0:
		return httperr.BadRequest("heartbeat time period cannot be a negative duration")
	}
	return nil
}

func protocolOf(ca *swarm.ExternalCA) string {
	if ca == nil {
		return ""
	}
	return string(ca.Protocol)
}

func (s *Server) swarmLeave(r *request) error {
	state, m := s.Cluster.State(), s.Cluster.Manager()
	force := r.flag("force")
	switch {
	case state.Local == swarm.LocalNodeStateInactive:
		return httperr.Unavailable(notMember)
	case state.Local == swarm.LocalNodeStateLocked && !force:
		return httperr.Unavailable(leavingLocked)
	case state.Local == swarm.LocalNodeStateActive && m != nil && !force:
		return r.leaveRefusal(m)
	}
	if err := s.Cluster.Leave(r.Context(), force); err != nil {
		return err
	}
	return r.ok()
}

func (s *Server) swarmUnlockKey(r *request) error {
	v, _, err := r.view()
	if err != nil {
		return err
	}
	c := store.TheCluster(v)
	if c == nil {
		return httperr.NotFound("swarm not found")
	}
	return r.json(http.StatusOK, swarm.UnlockKeyResponse{UnlockKey: c.UnlockKey})
}

func (s *Server) swarmUnlock(r *request) error {
	var req swarm.UnlockRequest
	if _, err := r.decode(&req); err != nil {
		return err
	}
	locker, can := s.Cluster.(Locker)
	switch _, err := r.manager(); {
	case err == nil:
		return httperr.Conflict("swarm is not locked")
	case s.Cluster.State().Local != swarm.LocalNodeStateLocked:
		return err
	case !can:
		return httperr.NotImplemented(noAutolock)
	}
	if err := locker.Unlock(r.Context(), req.UnlockKey); err != nil {
		return err
	}
	return r.ok()
}

package api

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/moby/moby/api/types/volume"
	"github.com/skep-org/skep/internal/api/decode"
	"github.com/skep-org/skep/internal/api/filters"
	"github.com/skep-org/skep/internal/api/find"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// volumesSince is the first version of the API that has cluster volumes.
func volumesSince() versions.Version { return versions.Version{Major: 1, Minor: 42} }

// speaksVolumes reports whether a client knows cluster volumes, and this node has the cluster's.
func (s *Server) speaksVolumes(r *request) bool {
	return !r.version.Less(volumesSince()) && s.active() && s.clustered()
}

// volumeList is the engine's volumes and then the cluster's. Where the cluster's cannot be had a warning says why, as in Docker.
func (s *Server) volumeList(r *request) error {
	if !s.speaksVolumes(r) {
		return s.forward(r)
	}
	args, err := r.filters("dangling", "name", "driver", "label")
	if err != nil {
		return err
	}
	var out struct {
		Volumes  []json.RawMessage
		Warnings []string
	}
	if err := s.askEngine(r.Context(), r.enginePath("/volumes?"+r.URL.RawQuery), nil, &out); err != nil {
		return err
	}
	if out.Volumes == nil {
		out.Volumes = []json.RawMessage{}
	}
	v, _, err := r.view()
	if err != nil {
		out.Warnings = append(out.Warnings, err.Error())
		return r.json(http.StatusOK, out)
	}
	for row := range store.Volumes.All(v) {
		if ok, err := matchVolume(v, args, row); err != nil || !ok {
			if err != nil {
				return err
			}
			continue
		}
		text, err := encode(render.Volume(v, row))
		if err != nil {
			return err
		}
		out.Volumes = append(out.Volumes, text)
	}
	return r.json(http.StatusOK, out)
}

func matchVolume(v store.View, args filters.Args, row *model.Volume) (bool, error) {
	dangling, asked, err := args.Bool("dangling")
	if err != nil {
		return false, err
	}
	if asked && dangling == (volumeUsers(v, row) > 0) {
		return false, nil
	}
	return args.Begins("name", row.Name) && args.Exact("driver", row.Driver()) && args.Labels("label", row.Spec.Get().Labels), nil
}

// volumeUsers counts the nodes where a volume is, and the tasks that are to have it.
func volumeUsers(v store.View, row *model.Volume) (n int) {
	if st := store.VolumeStates.ByID(v, row.ID); st != nil {
		n += len(st.Nodes)
	}
	for p := range store.PlacedWith(v, row.ID) {
		if t := store.Tasks.ByID(v, p.TaskID); t != nil && t.Desired < model.StateShutdown && !render.Observe(v, t).State.Terminal() {
			n++
		}
	}
	return n
}

// localVolume reports whether the engine has a volume of that name: it comes before the cluster's.
func (s *Server) localVolume(r *request) (bool, error) {
	var local json.RawMessage
	err := s.askEngine(r.Context(), "/volumes/"+url.PathEscape(r.id), nil, &local)
	if httperr.Status(err) == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

func (s *Server) volumeInspect(r *request) error {
	if !s.speaksVolumes(r) {
		return s.forward(r)
	}
	if local, err := s.localVolume(r); local || err != nil {
		return s.forward(r) // which says what is wrong with the engine, if that is it
	}
	v, _, err := r.view()
	if err != nil {
		return err
	}
	row, err := find.Volume(v, r.id)
	if err != nil {
		return err
	}
	return r.json(http.StatusOK, render.Volume(v, row))
}

// volumeCreate passes through, but for cluster volumes: an engine that does not know them would make a local one in silence.
func (s *Server) volumeCreate(r *request) error {
	body, err := decode.Body(r.Request)
	if err != nil {
		return err
	}
	var asked struct{ ClusterVolumeSpec json.RawMessage }
	if r.version.Less(volumesSince()) || json.Unmarshal(body, &asked) != nil || len(asked.ClusterVolumeSpec) == 0 || string(asked.ClusterVolumeSpec) == "null" {
		return s.pass(r, body)
	}
	var req volume.CreateRequest
	raw, err := decode.First(body)
	if err != nil {
		return err
	}
	if err := decode.JSON(raw, &req); err != nil {
		return err
	}
	v, m, err := r.view()
	if err != nil {
		return err
	}
	conditions, err := checkVolume(v, &req)
	if err != nil {
		return err
	}
	if store.VolumeNamed(v, req.Name) != nil {
		return httperr.Conflict("volume %s already exists", req.Name)
	}
	doc, err := documentOver(raw, req)
	if err != nil {
		return err
	}
	row := &model.Volume{ID: s.Env.NewID(), Name: req.Name, Spec: doc}
	if err := r.commit(m, "volume", req.Name, store.Batch{Conditions: conditions, Changes: []store.Change{store.Volumes.Put(row)}}); err != nil {
		return err
	}
	if v, _, err = r.view(); err == nil {
		if made := store.Volumes.ByID(v, row.ID); made != nil {
			row = made
		}
	}
	return r.json(http.StatusCreated, render.Volume(v, row))
}

// checkVolume holds a new cluster volume to what there has to be, and names its secrets by their ids.
func checkVolume(v store.View, req *volume.CreateRequest) (conditions []store.Condition, err error) {
	spec := req.ClusterVolumeSpec
	a := spec.AccessMode
	switch {
	case req.Name == "":
		return nil, httperr.BadRequest("meta: name must be provided")
	case req.Driver == "" || req.Driver == "local":
		return nil, httperr.BadRequest("volume %s: a cluster volume needs a CSI driver: name one with --driver", req.Name)
	case a == nil:
		return nil, httperr.BadRequest("AccessMode must not be nil")
	case (a.MountVolume == nil) == (a.BlockVolume == nil):
		return nil, httperr.BadRequest("Volume AccessMode must specify either Mount or Block access type")
	}
	if err := checkAccess(req.Name, a, spec.Availability); err != nil {
		return nil, err
	}
	if c := spec.CapacityRange; c != nil && (c.RequiredBytes < 0 || c.LimitBytes < 0 || c.LimitBytes > 0 && c.RequiredBytes > c.LimitBytes) {
		return nil, httperr.BadRequest("volume %s: %d bytes are required and %d are the limit", req.Name, c.RequiredBytes, c.LimitBytes)
	}
	for i := range spec.Secrets {
		row, err := find.Secret(v, spec.Secrets[i].Secret)
		if err != nil {
			return nil, httperr.BadRequest("secret %s not found", spec.Secrets[i].Secret)
		}
		if row.Spec.Get().Driver != nil {
			return nil, httperr.BadRequest("secret %s is kept by a driver: a volume's has to be kept by the cluster", row.Name)
		}
		spec.Secrets[i].Secret = row.ID.String()
		conditions = append(conditions, store.Secrets.Present(row.Key()))
	}
	return conditions, nil
}

// checkAccess fills in what Docker does, and refuses what neither knows.
func checkAccess(name string, a *volume.AccessMode, availability volume.Availability) error {
	if a.Scope == "" {
		a.Scope = volume.ScopeSingleNode
	}
	if a.Sharing == "" {
		a.Sharing = volume.SharingNone
	}
	switch a.Scope {
	case volume.ScopeSingleNode, volume.ScopeMultiNode:
	default:
		return httperr.BadRequest("volume %s: unknown scope %q: it is single or multi", name, a.Scope)
	}
	switch a.Sharing {
	case volume.SharingNone, volume.SharingReadOnly, volume.SharingOneWriter, volume.SharingAll:
	default:
		return httperr.BadRequest("volume %s: unknown sharing %q: it is none, readonly, onewriter or all", name, a.Sharing)
	}
	return checkVolumeAvailability(name, availability)
}

func checkVolumeAvailability(name string, a volume.Availability) error {
	switch a {
	case "", volume.AvailabilityActive, volume.AvailabilityPause, volume.AvailabilityDrain:
		return nil
	}
	return httperr.BadRequest("volume %s: unknown availability %q: it is active, pause or drain", name, a)
}

// volumeUpdate changes a cluster volume's availability; the rest of what is sent does not count, as in Docker.
func (s *Server) volumeUpdate(r *request) error {
	if !s.active() || !s.clustered() {
		return httperr.Unavailable("volume update only valid for cluster volumes, but swarm is unavailable")
	}
	version, err := r.versionOf("swarm object")
	if err != nil {
		return err
	}
	var req struct{ Spec *volume.ClusterVolumeSpec }
	if _, err := r.decode(&req); err != nil {
		return err
	}
	v, m, err := r.view()
	if err != nil {
		return err
	}
	row, err := find.Volume(v, r.id)
	if err != nil {
		return err
	}
	if row.Index != version {
		return errRaced
	}
	if req.Spec == nil || req.Spec.Availability == "" {
		return r.ok()
	}
	if err := checkVolumeAvailability(row.Name, req.Spec.Availability); err != nil {
		return err
	}
	spec := *row.Spec.Get()
	cluster := *row.Cluster()
	cluster.Availability = req.Spec.Availability
	spec.ClusterVolumeSpec = &cluster
	doc, err := documentOver(row.Spec.Raw(), spec)
	if err != nil {
		return err
	}
	next := *row
	next.Spec = doc
	if err := r.commit(m, "volume", row.Name, store.Batch{
		Conditions: []store.Condition{store.Volumes.At(row)}, Changes: []store.Change{store.Volumes.Put(&next)},
	}); err != nil {
		return err
	}
	return r.ok()
}

// volumeRemove removes the engine's volume of that name, if it has one, else the cluster's.
func (s *Server) volumeRemove(r *request) error {
	if !s.speaksVolumes(r) {
		return s.forward(r)
	}
	local, err := s.localVolume(r)
	if local || err != nil {
		return s.forward(r)
	}
	v, m, err := r.view()
	if err != nil {
		return err
	}
	force := r.flag("force")
	row, err := find.Volume(v, r.id)
	switch {
	case httperr.Status(err) == http.StatusNotFound && force:
		return s.forward(r)
	case err != nil:
		return err
	}
	b := store.Batch{Conditions: []store.Condition{store.Volumes.At(row)}}
	if force { // the cluster forgets it; what its driver has of it stays there
		b.Changes = []store.Change{store.Volumes.Delete(row.Key())}
	} else {
		if volumeUsers(v, row) > 0 {
			return httperr.BadRequest("volume is still in use")
		}
		next := *row
		next.Removing = true
		b.Changes = []store.Change{store.Volumes.Put(&next)}
	}
	if err := r.commit(m, "volume", row.Name, b); err != nil {
		return err
	}
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}

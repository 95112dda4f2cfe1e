package registry

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	dockerregistry "github.com/moby/moby/api/types/registry"

	"github.com/skep-org/skep/internal/registry/blobs"
	"github.com/skep-org/skep/internal/registry/layout"
	"github.com/skep-org/skep/internal/registry/mirror"
	"github.com/skep-org/skep/internal/registry/records"
	"github.com/skep-org/skep/internal/store"
)

const (
	// user is the name that goes with the credential.
	user = "skep"
	// drainWait bounds how long the rest of an upload that was refused is read, so that the client gets to read why.
	drainWait = 30 * time.Second
)

// Auth is the credential for an image of this registry, as the API's header X-Registry-Auth has it; empty for another's image, and
// while something else may be listening at the address.
func (r *Registry) Auth(image string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil || !r.serving.Load() || !r.Is(reference.Domain(named)) {
		return ""
	}
	raw, err := json.Marshal(r.credential())
	if err != nil {
		return ""
	}
	return base64.URLEncoding.EncodeToString(raw)
}

func (r *Registry) credential() dockerregistry.AuthConfig {
	return dockerregistry.AuthConfig{Username: user, Password: r.token, ServerAddress: r.opt.Addr}
}

// BuildAuth adds the credential to the header X-Registry-Config of a build, which has those of all registries.
func (r *Registry) BuildAuth(header string) (string, error) {
	all := map[string]dockerregistry.AuthConfig{}
	if header != "" {
		raw, err := base64.URLEncoding.DecodeString(header)
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal(raw, &all); err != nil {
			return "", err
		}
	}
	if all == nil { // a client that has no credentials may say null
		all = map[string]dockerregistry.AuthConfig{}
	}
	all[r.opt.Addr] = r.credential()
	raw, err := json.Marshal(all)
	return base64.URLEncoding.EncodeToString(raw), err
}

// Is tells whether a registry's name in an image's is this one.
func (r *Registry) Is(domain string) bool {
	if domain == r.opt.Addr {
		return true
	}
	host, port, err := net.SplitHostPort(domain)
	_, own, _ := net.SplitHostPort(r.opt.Addr)
	return err == nil && host == "localhost" && port == own
}

// ServeHTTP answers the registry's API.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	name, password, _ := req.BasicAuth()
	if name != user || subtle.ConstantTimeCompare([]byte(password), []byte(r.token)) != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="skep"`)
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "the cluster's registry is used through skep's socket, which knows the credential: docker -H unix:///run/skep/skep.sock push "+req.Host+"/NAME:TAG")
		return
	}
	r.answer(w, req, false)
}

// answer answers whoever may ask; a stranger is one without the credential.
func (r *Registry) answer(w http.ResponseWriter, req *http.Request, stranger bool) {
	done, err := r.mirror.Serve(w, req, stranger)
	switch {
	case errors.Is(err, store.ErrNotFound):
		refuse(w, http.StatusNotFound, unknown(req.URL.Path), err.Error())
	case errors.Is(err, mirror.ErrReadOnly):
		r.refuseBody(w, req, http.StatusForbidden, "DENIED", err)
	case err != nil:
		r.refuseBody(w, req, http.StatusServiceUnavailable, "UNAVAILABLE", err)
	}
	if done || err != nil {
		return
	}
	ctx, failure := layout.WithFailure(req.Context(), req.Method == http.MethodGet)
	answer := &plain{ResponseWriter: w, failure: failure}
	r.app().ServeHTTP(answer, req.WithContext(ctx))
	if err := answer.refused; err != nil {
		r.refused(w, req, err)
	}
}

// refused says what was refused, and reads the rest of it.
func (r *Registry) refused(w http.ResponseWriter, req *http.Request, err error) {
	r.opt.Logger.Warn("the cluster's registry could not do what it was asked", "method", req.Method, "path", req.URL.Path, "err", err)
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(drainWait)) // else it is read until it ends
	_, _ = io.Copy(io.Discard, req.Body)
}

func (r *Registry) refuseBody(w http.ResponseWriter, req *http.Request, status int, code string, err error) {
	refuse(w, status, code, err.Error())
	r.refused(w, req, err)
}

// unknown is the code for what is not there.
func unknown(path string) string {
	if strings.Contains(path, "/blobs/") {
		return "BLOB_UNKNOWN"
	}
	return "MANIFEST_UNKNOWN"
}

// serveHub answers engines whose registry-mirrors point here: they ask for names as docker.io has them, without a credential.
func (r *Registry) serveHub(w http.ResponseWriter, req *http.Request) {
	const api = "/v2/"
	name, ok := strings.CutPrefix(req.URL.Path, api)
	if !ok || slices.Contains(strings.Split(name, "/"), "..") || req.Method != http.MethodGet && req.Method != http.MethodHead {
		refuse(w, http.StatusForbidden, "DENIED", "here is a mirror of "+mirror.Hub+", which can be read and not written")
		return
	}
	if name == "" {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		return
	}
	inside := req.Clone(req.Context())
	inside.URL.Path, inside.URL.RawPath = api+records.MirrorPrefix+mirror.Hub+"/"+name, ""
	r.answer(w, inside, true)
}

// plain says in a sentence what the library would call unknown.
type plain struct {
	http.ResponseWriter
	failure *layout.Failure
	began   bool
	refused error
}

// WriteHeader implements http.ResponseWriter.
func (p *plain) WriteHeader(status int) {
	if p.began {
		return
	}
	p.began = true
	err := p.failure.Err()
	if status < http.StatusInternalServerError || err == nil {
		p.ResponseWriter.WriteHeader(status)
		return
	}
	p.refused = err
	for name := range p.Header() {
		if strings.HasPrefix(name, "Content-") {
			p.Header().Del(name)
		}
	}
	if errors.Is(err, blobs.ErrFull) { // a code that makes clients stop, and print the message
		refuse(p.ResponseWriter, http.StatusForbidden, "DENIED", err.Error())
		return
	}
	refuse(p.ResponseWriter, http.StatusServiceUnavailable, "UNAVAILABLE", err.Error())
}

func (p *plain) Write(b []byte) (int, error) {
	if !p.began {
		p.WriteHeader(http.StatusOK)
	}
	if p.refused == nil {
		return p.ResponseWriter.Write(b)
	}
	return len(b), nil // the library's own words
}

// Unwrap is for http.ResponseController.
func (p *plain) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	type one struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	_ = json.NewEncoder(w).Encode(map[string][]one{"errors": {{code, message}}}) // the client may be gone
}

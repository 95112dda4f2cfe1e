package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/backup"
	"github.com/stretchr/testify/require"
)

// reviver is a cluster that remembers how it was asked to begin anew.
type reviver struct {
	*fakeCluster
	state  *store.Store
	asked  RestoreRequest
	forced []swarm.InitRequest
}

func (r *reviver) ForceNew(_ context.Context, req swarm.InitRequest) (string, error) {
	r.forced = append(r.forced, req)
	return "node", nil
}

func (r *reviver) Restore(_ context.Context, s *store.Store, req RestoreRequest) (string, error) {
	r.state, r.asked = s, req
	return "node", nil
}

func reviving(t *testing.T) (*world, *reviver) {
	w := newWorld(t)
	r := &reviver{fakeCluster: w.cluster}
	w.server.Cluster = r
	return w, r
}

// taken is a backup of a cluster with a secret.
func taken(t *testing.T, w *world) []byte {
	t.Helper()
	resp, err := http.Get(w.front.URL + "/skep/backup")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, BackupType, resp.Header.Get("Content-Type"))
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return b
}

func TestABackupIsRestoredAsItWas(t *testing.T) {
	w, r := reviving(t)
	require.Contains(t, w.request("GET /skep/backup"), "503 ", "no cluster")
	w.request("POST /swarm/init\n" + `{"ListenAddr":"0.0.0.0:2377"}`)
	w.request("POST /secrets/create\n" + `{"Name":"s","Data":"YQ=="}`)
	b := taken(t, w)
	h, err := backup.Verify(bytes.NewReader(b))
	require.NoError(t, err)
	v := w.cluster.manager.Store.View()
	require.Equal(t, v.Index(), h.Index)

	require.Contains(t, w.request("POST /skep/restore\n"+string(b)), "--force", "the node is part of a cluster")
	require.Nil(t, r.state)
	w.request("POST /swarm/leave?force=1")
	got := w.request("POST /skep/restore?advertise-addr=192.0.2.1&listen-addr=0.0.0.0:2377\n" + string(b))
	require.Contains(t, got, `200 {"NodeID":"node","Cluster":"`+h.Cluster)
	require.Equal(t, RestoreRequest{AdvertiseAddr: "192.0.2.1", ListenAddr: "0.0.0.0:2377"}, r.asked)
	require.Equal(t, "s", store.SecretNamed(r.state.View(), "s").Name)
}

func TestOnlyAWholeBackupIsRestored(t *testing.T) {
	w, r := reviving(t)
	w.request("POST /swarm/init\n" + `{"ListenAddr":"0.0.0.0:2377"}`)
	b := string(taken(t, w))
	w.request("POST /swarm/leave?force=1")
	turned := []byte(b)
	turned[len(turned)/2] ^= 1
	for name, body := range map[string]string{"empty": "", "another file": "PK\x03\x04 and so on", "cut": b[:len(b)-1], "longer": b + "x", "turned bit": string(turned)} {
		require.Contains(t, w.request("POST /skep/restore\n"+body), "400 ", name)
	}
	require.Nil(t, r.state)
}

func TestForceNewCluster(t *testing.T) {
	w, r := reviving(t)
	ask := "POST /swarm/init\n" + `{"ListenAddr":"0.0.0.0:2377","ForceNewCluster":true}`
	require.Contains(t, w.request(ask), "503 ", "there is nothing to go on from")
	require.Empty(t, r.forced)
	w.request("POST /swarm/init\n" + `{"ListenAddr":"0.0.0.0:2377"}`)
	require.Equal(t, `200 "node"`, strings.TrimSpace(w.request(ask)))
	require.Len(t, r.forced, 1)
	w.cluster.state.Local = swarm.LocalNodeStatePending
	require.Contains(t, w.request(ask), "503 ")
	w.server.Cluster = w.cluster
	require.Contains(t, w.request(ask), "501 ")
	require.Contains(t, w.request("POST /skep/restore\n"), "501 ")
}

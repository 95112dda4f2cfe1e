package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkServiceList is `docker service ls` with 200 services, as the CLI of 20.10 asks for them.
func BenchmarkServiceList(b *testing.B) {
	w := newWorld(b)
	w.request("POST /swarm/init\n" + `{"ListenAddr":"0.0.0.0:2377"}`)
	for i := range 200 {
		w.request("POST /services/create\n" + fmt.Sprintf(`{"Name":"web%d","TaskTemplate":{"ContainerSpec":{"Image":"a:1"}}}`, i))
	}
	for b.Loop() {
		rec := httptest.NewRecorder()
		w.server.ServeHTTP(rec, httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1.41/services?status=true", nil))
		if rec.Code != http.StatusOK {
			b.Fatal(rec.Body)
		}
	}
}

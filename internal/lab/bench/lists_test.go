package bench

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestListTable(t *testing.T) {
	table := ListTable([]ListResult{{Work: "node ls", Docker: "20.10.24", Skep: 0.6, Ready: 0.5, Server: 0.1, Command: 0.4, Requests: 3, Bytes: 12_345_678}})
	const want = "| node ls                                   | 20.10.24   |   0.600 |   0.500 |       1.20 |       0.100 |          0.400 |        3 |  12.3 |\n"
	if !strings.Contains(table, want) {
		t.Errorf("%q is not in\n%s", want, table)
	}
}

// TestReplayAnswersAsTheFirstTime: byte for byte, without asking again, and with what clients choose their version by.
func TestReplayAnswersAsTheFirstTime(t *testing.T) {
	asked := 0
	r := &replay{known: map[string]*recorded{}, from: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Api-Version", "1.41")
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte(r.URL.Path))
	})}
	for range 2 {
		for _, path := range []string{"/nodes", "/services"} {
			rec := httptest.NewRecorder()
			r.ServeHTTP(rec, httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, nil))
			if rec.Code != http.StatusTeapot || rec.Body.String() != path || rec.Header().Get("Api-Version") != "1.41" {
				t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
			}
		}
	}
	if asked != 2 {
		t.Errorf("the server was asked %d times", asked)
	}
}

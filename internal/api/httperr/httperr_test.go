package httperr

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
)

func TestWrite(t *testing.T) {
	for _, tc := range []struct {
		name   string
		err    error
		plain  bool
		status int
		body   string
	}{
		{"sentence", NotFound("service %s not found", "web"), false, 404, `{"message":"service web not found"}` + "\n"},
		{"wrapped keeps its status", fmt.Errorf("create: %w", Conflict("taken")), false, 409, `{"message":"create: taken"}` + "\n"},
		{"unknown is ours", errors.New("disk on fire"), false, 500, `{"message":"disk on fire"}` + "\n"},
		{"old clients read text", BadRequest("no"), true, 400, "no\n"},
		{"percent signs survive", BadRequest("%s", "100%"), false, 400, `{"message":"100%"}` + "\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			Write(rec, tc.err, tc.plain)
			if rec.Code != tc.status || rec.Body.String() != tc.body {
				t.Errorf("got %d %q, want %d %q", rec.Code, rec.Body, tc.status, tc.body)
			}
		})
	}
}

package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/skep-org/skep/internal/api/httperr"
)

// Limit bounds a request body that is kept in memory. A secret or config is at most 1,000 KiB, in base 64
// a third more; what is larger fits no log entry.
const Limit = 4 << 20

// Body reads the whole body.
func Body(r *http.Request) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, Limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, httperr.New(http.StatusRequestEntityTooLarge, "the request body is larger than %d bytes", int64(Limit))
	}
	if err != nil {
		return nil, httperr.BadRequest("the request body ended early: %s", err)
	}
	return raw, nil
}

// JSON parses the first JSON value of raw into v, in Docker's words when it cannot.
func JSON(raw []byte, v any) error {
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(v); err != nil {
		if errors.Is(err, io.EOF) {
			return httperr.BadRequest("got EOF while reading request body")
		}
		// The embedded struct's name says nothing to the sender.
		return httperr.BadRequest("%s", strings.Replace(err.Error(), ".Annotations.", ".", 1))
	}
	return nil
}

// First cuts raw down to its first JSON value, which is all that Docker reads.
func First(raw []byte) (json.RawMessage, error) {
	var first json.RawMessage
	if err := JSON(raw, &first); err != nil {
		return nil, err
	}
	return first, nil
}

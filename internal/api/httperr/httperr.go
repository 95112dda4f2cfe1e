package httperr

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Error is a sentence for the caller and the status code it travels with.
type Error struct {
	Status  int
	Message string
}

func (e *Error) Error() string { return e.Message }

// New makes an error with the given status.
func New(status int, format string, args ...any) *Error {
	if len(args) == 0 {
		return &Error{Status: status, Message: format}
	}
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}

// BadRequest says that the request itself is wrong.
func BadRequest(format string, args ...any) *Error {
	return New(http.StatusBadRequest, format, args...)
}

// NotFound says that there is no such object.
func NotFound(format string, args ...any) *Error { return New(http.StatusNotFound, format, args...) }

// Conflict says that the object exists already.
func Conflict(format string, args ...any) *Error { return New(http.StatusConflict, format, args...) }

// NotImplemented says in a plain sentence what skep does not do.
func NotImplemented(format string, args ...any) *Error {
	return New(http.StatusNotImplemented, format, args...)
}

// Unavailable says that the node's state does not allow the request now.
func Unavailable(format string, args ...any) *Error {
	return New(http.StatusServiceUnavailable, format, args...)
}

// Status is the code err travels with.
func Status(err error) int {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Status
	}
	return http.StatusInternalServerError
}

// Write answers with err as Docker does. plain asks for the bare text that clients before API 1.23
// expect.
func Write(w http.ResponseWriter, err error, plain bool) {
	if plain {
		http.Error(w, err.Error(), Status(err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(Status(err))
	// The client may be gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(struct {
		Message string `json:"message"`
	}{err.Error()})
}

package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/skep-org/skep/internal/api/versions"
)

const (
	// listPiece is how much of a list is sent at once. Until the first piece is full an error still gets its status.
	listPiece = 64 << 10
	// pieceLimit is how long a client may take for one piece, and listLimit for a list: as long the answer keeps the state of
	// the moment it was asked in, and with it every row that is replaced meanwhile.
	pieceLimit = 30 * time.Second
	listLimit  = 10 * time.Minute
)

// list answers with the rows of a list, less the fields newer than the version asked for, one after the other: it never holds
// more than a row and a piece. A client that does not keep up is cut off.
func list[T any](r *request, kind versions.Kind, rows iter.Seq[T]) error {
	pieces := &pieces{r: r, control: http.NewResponseController(r.w), until: time.Now().Add(listLimit)}
	defer pieces.end()
	out := bufio.NewWriterSize(pieces, listPiece)
	err := encodeList(out, versions.NewStripper(r.version, kind), rows)
	if pieces.err != nil {
		return nil // the client is gone, or did not keep up: nobody is left to be told
	}
	if err != nil && pieces.begun {
		r.server.Logger.Error("a list broke off", "path", r.URL.Path, "error", err)
		panic(http.ErrAbortHandler) // what was sent must not pass for a whole list
	}
	if err != nil {
		return err
	}
	_ = out.Flush() // the client may be gone
	return nil
}

// encodeList writes the rows as one JSON list.
func encodeList[T any](out *bufio.Writer, strip *versions.Stripper, rows iter.Seq[T]) error {
	var row bytes.Buffer
	enc := encoder(&row)
	before := byte('[')
	for v := range rows {
		row.Reset()
		if err := enc.Encode(v); err != nil {
			return fmt.Errorf("encode a %T: %w", v, err)
		}
		if err := out.WriteByte(before); err != nil {
			return err
		}
		before = ','
		if _, err := out.Write(strip.Strip(bytes.TrimSuffix(row.Bytes(), []byte("\n")))); err != nil {
			return err
		}
	}
	if before == '[' {
		_ = out.WriteByte('[') // shows in what comes next
	}
	_, err := out.WriteString("]\n")
	return err
}

// encoder does not escape HTML: neither does Docker.
func encoder(to *bytes.Buffer) *json.Encoder {
	enc := json.NewEncoder(to)
	enc.SetEscapeHTML(false)
	return enc
}

// pieces sends what is written as the body of an answer, whose head goes with the first piece.
type pieces struct {
	r       *request
	control *http.ResponseController
	until   time.Time
	begun   bool
	err     error
}

func (p *pieces) Write(b []byte) (int, error) {
	if !p.begun {
		p.r.w.Header().Set("Content-Type", "application/json")
		p.r.w.WriteHeader(http.StatusOK)
		p.begun = true
	}
	limit := time.Now().Add(pieceLimit)
	if p.until.Before(limit) {
		limit = p.until
	}
	_ = p.control.SetWriteDeadline(limit) // a recorder has none
	n, err := p.r.w.Write(b)
	p.err = err
	return n, err
}

// end leaves the connection as it was, for the next request.
func (p *pieces) end() {
	if p.begun {
		_ = p.control.SetWriteDeadline(time.Time{})
	}
}

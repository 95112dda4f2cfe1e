package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"time"

	dockerevents "github.com/moby/moby/api/types/events"
	"github.com/skep-org/skep/internal/api/events"
	"github.com/skep-org/skep/internal/api/filters"
	"github.com/skep-org/skep/internal/api/httperr"
)

// settle is how long past events of the cluster wait for earlier ones of the engine.
const settle = 100 * time.Millisecond

// events merges the engine's stream with the cluster's events.
func (s *Server) events(r *request) error {
	query := r.URL.Query()
	since, err := parseTime(query.Get("since"))
	if err != nil {
		return httperr.BadRequest("%s", err)
	}
	until, err := parseTime(query.Get("until"))
	if err != nil {
		return httperr.BadRequest("%s", err)
	}
	args, err := filters.Parse(query.Get("filters"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	own := ownEvents{ring: s.Events, args: args, since: since, until: until, next: s.Events.End()}
	if !since.IsZero() || !until.IsZero() { // either of them asks for what is past, as with Docker
		own.next = 0
	}
	lines, done, err := s.engineEvents(ctx, r)
	if err != nil {
		return err
	}
	r.w.Header().Set("Content-Type", "application/json")
	r.w.WriteHeader(http.StatusOK)
	out := eventWriter{r.w, http.NewResponseController(r.w)}
	out.flush()
	past, _ := own.take()
	merge(ctx, &own, lines, done, out, past)
	return nil
}

// engineEvents opens the engine's stream. done is closed when it has ended.
func (s *Server) engineEvents(ctx context.Context, r *request) (lines <-chan []byte, done <-chan struct{}, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.enginePath("/events?"+r.URL.RawQuery), nil)
	if err != nil {
		return nil, nil, err
	}
	resp, err := s.Proxy.Engine().RoundTrip(req) //nolint:bodyclose // closed by the goroutine below when the stream ends
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer resp.Body.Close()
		return nil, nil, engineError(resp)
	}
	out, ended := make(chan []byte), make(chan struct{})
	go func() {
		defer close(ended)
		defer resp.Body.Close()
		d := json.NewDecoder(bufio.NewReader(resp.Body))
		for {
			var line json.RawMessage
			if d.Decode(&line) != nil {
				return
			}
			select {
			case out <- line:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, ended, nil
}

// ownEvents are the cluster's events that one listener asked for.
type ownEvents struct {
	ring         *events.Ring
	args         filters.Args
	since, until time.Time
	next         uint64
}

// take returns what has come since the last call, and a channel that is closed when there is more.
func (o *ownEvents) take() (out []dockerevents.Message, more <-chan struct{}) {
	all, next, more := o.ring.From(o.next)
	o.next = next
	for _, m := range all {
		at := time.Unix(0, m.TimeNano)
		if at.Before(o.since) || !o.until.IsZero() && at.After(o.until) || !events.Match(o.args, m) {
			continue
		}
		out = append(out, m)
	}
	return out, more
}

// merge writes both streams. What is past is ordered by time; what happens now is written as it comes. The
// engine's stream decides when it is over: it knows the until asked for.
func merge(ctx context.Context, own *ownEvents, lines <-chan []byte, done <-chan struct{}, out eventWriter,
	waiting []dockerevents.Message) {
	came, more := own.take()
	waiting = append(waiting, came...)
	timer := time.NewTimer(settle)
	defer timer.Stop()
	settled := false
	for {
		select {
		case line := <-lines:
			waiting = out.before(waiting, line)
			out.line(line)
		case <-timer.C:
			settled = true
		case <-more:
			came, more = own.take()
			waiting = append(waiting, came...)
		case <-done:
			out.messages(waiting)
			return
		case <-ctx.Done():
			return
		}
		if settled {
			out.messages(waiting)
			waiting = nil
		}
	}
}

// eventWriter writes one JSON object a line. Errors show as the end of the request's context.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (o eventWriter) flush() { _ = o.control.Flush() }

func (o eventWriter) line(text []byte) {
	_, _ = o.w.Write(append(text, '\n'))
	o.flush()
}

func (o eventWriter) messages(list []dockerevents.Message) {
	for _, m := range list {
		if text, err := json.Marshal(m); err == nil {
			o.line(text)
		}
	}
}

// before writes those of the waiting messages that are not younger than line, and returns the rest.
func (o eventWriter) before(waiting []dockerevents.Message, line []byte) []dockerevents.Message {
	if len(waiting) == 0 {
		return nil
	}
	var at struct{ TimeNano int64 }
	if json.Unmarshal(line, &at) != nil {
		return waiting
	}
	i := 0
	for i < len(waiting) && waiting[i].TimeNano <= at.TimeNano {
		i++
	}
	o.messages(waiting[:i])
	return waiting[i:]
}

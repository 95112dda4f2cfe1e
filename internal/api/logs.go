package api

import (
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/api/find"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/logs"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

func (s *Server) serviceLogs(r *request) error {
	return s.logs(r, func(v store.View) (logs.Selector, *model.ServiceRevision, error) {
		row, err := find.Service(v, r.id)
		if err != nil {
			return logs.Selector{}, nil, err
		}
		return logs.Selector{Service: row.ID}, current(v, row), nil
	})
}

func (s *Server) taskLogs(r *request) error {
	return s.logs(r, func(v store.View) (logs.Selector, *model.ServiceRevision, error) {
		t, err := find.Task(v, r.id)
		if err != nil {
			return logs.Selector{}, nil, err
		}
		return logs.Selector{Task: t.ID}, store.Revisions.ByID(v, t.Revision), nil
	})
}

func (s *Server) logs(r *request, selected func(store.View) (logs.Selector, *model.ServiceRevision, error)) error {
	opts := logs.Options{Stdout: r.flag("stdout"), Stderr: r.flag("stderr"), Follow: r.flag("follow")}
	if !opts.Stdout && !opts.Stderr {
		return httperr.New(http.StatusInternalServerError, "Bad parameters: you must choose at least one stream")
	}
	v, _, err := r.view()
	if err != nil {
		return err
	}
	selector, rev, err := selected(v)
	if err != nil {
		return err
	}
	if err := r.logRange(&opts); err != nil {
		return err
	}
	if s.Logs == nil {
		return httperr.NotImplemented("this daemon cannot read the output of tasks")
	}
	stream, err := s.Logs.Logs(r.Context(), selector, opts)
	if err != nil {
		return err
	}
	defer stream.Close()
	container := render.Spec(rev).TaskTemplate.ContainerSpec
	out := logWriter{w: r.w, raw: container != nil && container.TTY, timestamps: r.flag("timestamps"), details: r.flag("details")}
	r.startLogs(out.raw)
	return s.copyLogs(r, stream, out)
}

// startLogs sends the head at once, so that a client that follows a silent service knows it is connected.
func (r *request) startLogs(raw bool) {
	if !r.version.Less(versions.Version{Major: 1, Minor: 42}) {
		kind := "application/vnd.docker.multiplexed-stream"
		if raw {
			kind = "application/vnd.docker.raw-stream"
		}
		r.w.Header().Set("Content-Type", kind)
	} else {
		r.w.Header()["Content-Type"] = nil // older versions say nothing, and net/http is not to guess
	}
	r.w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(r.w).Flush()
}

// copyLogs writes until the stream or the client ends. The head is sent, so an error goes to the log.
func (s *Server) copyLogs(r *request, stream logs.Stream, out logWriter) error {
	flush := http.NewResponseController(r.w)
	for {
		m, err := stream.Next(r.Context())
		if err != nil {
			if !errors.Is(err, io.EOF) && r.Context().Err() == nil {
				s.Logger.Warn("the output of tasks ended early", "path", r.URL.Path, "error", err)
			}
			return nil // the answer has begun: its status says no more
		}
		if out.write(m) != nil || flush.Flush() != nil {
			return nil //nolint:nilerr // the client is gone
		}
	}
}

func (r *request) logRange(opts *logs.Options) error {
	query := r.URL.Query()
	opts.Tail = -1
	if tail := query.Get("tail"); tail != "" && tail != "all" {
		n, err := strconv.Atoi(tail)
		if err == nil && n < 0 {
			return httperr.New(http.StatusInternalServerError, "negative tail values not supported")
		}
		if err != nil {
			return httperr.New(http.StatusInternalServerError, `tail value must be a positive integer or "all"`)
		}
		opts.Tail = n
	}
	// Containers' logs have an until; Docker ignores it here.
	since, err := parseTime(query.Get("since"))
	if err != nil {
		return httperr.New(http.StatusInternalServerError, "could not parse since timestamp: %s", err)
	}
	opts.Since = since
	return nil
}

// parseTime reads seconds since 1970 with up to nine decimals; empty and 0 are no time.
func parseTime(text string) (time.Time, error) {
	if text == "" || text == "0" {
		return time.Time{}, nil
	}
	seconds, fraction, _ := strings.Cut(text, ".")
	sec, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	fraction = (fraction + strings.Repeat("0", 9))[:9]
	nanos, err := strconv.ParseInt(fraction, 10, 64)
	return time.Unix(sec, nanos), err
}

// logWriter frames messages as Docker does.
type logWriter struct {
	w                        io.Writer
	raw, timestamps, details bool
}

// timestampForm has all nine digits, so that lines stay aligned.
const timestampForm = "2006-01-02T15:04:05.000000000Z07:00"

func (l logWriter) write(m logs.Message) error {
	if m.Err != nil {
		m.Data = []byte(m.Err.Error() + "\n")
	}
	line := make([]byte, 8, 8+len(m.Data)+200)
	if l.raw {
		line = line[:0]
	}
	if l.timestamps {
		line = append(line, m.Time.UTC().Format(timestampForm)+" "...)
	}
	if l.details {
		line = append(line, details(m)+" "...)
	}
	line = append(line, m.Data...)
	if !l.raw {
		line[0] = 1
		if m.Stderr {
			line[0] = 2
		}
		binary.BigEndian.PutUint32(line[4:], uint32(len(line)-8))
	}
	_, err := l.w.Write(line)
	return err
}

// details are a message's attributes in Docker's form: the CLI finds the task's name by them.
func details(m logs.Message) string {
	attrs := map[string]string{}
	maps.Copy(attrs, m.Attrs)
	attrs[executor.LabelNodeID], attrs[executor.LabelServiceID], attrs[executor.LabelTaskID] = m.Node.String(), m.Service.String(), m.Task.String()
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(attrs[name]))
	}
	return strings.Join(pairs, ",")
}

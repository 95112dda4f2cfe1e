package differential

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/lab/differential/side"
)

// step is one directive of a scenario.
type step struct {
	pos   string
	cmd   string
	args  map[string][]string
	order []string // the arguments' names as written
	input string
}

// runner carries out the steps of one scenario on one side.
type runner struct {
	side *side.Side
	norm *normaliser
	vars map[string]string
	sent string      // the last api step's request, with its variables
	got  side.Answer // and what came
}

// limit bounds every wait and every command of a scenario.
const limit = 90 * time.Second

// do carries out one step and returns its normalised output. An error means
// that the rest of the scenario makes no sense on this side.
func (r *runner) do(ctx context.Context, s step) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	switch s.cmd {
	case "init":
		// The pool is named as newer CLIs, of which an older engine understands that there is to be none, do not.
		return r.shell(ctx, step{input: "docker swarm init --advertise-addr 127.0.0.1 --default-addr-pool 10.0.0.0/8 >/dev/null"})
	case "sh":
		return r.shell(ctx, s)
	case "api":
		return r.api(ctx, s)
	case "let":
		return r.let(ctx, s)
	case "until":
		return r.until(ctx, s)
	case "running":
		return r.running(ctx, s)
	case "gone":
		return r.gone(ctx, s, "/containers/json?all=1&filters=")
	case "stopped":
		return r.gone(ctx, s, "/containers/json?filters=")
	case "known", "later", "documented", "long":
		return "", nil
	}
	return "", fmt.Errorf("%s: there is no directive %q", s.pos, s.cmd)
}

// shell runs each line of the step and shows them apart when there are several.
func (r *runner) shell(ctx context.Context, s step) (string, error) {
	lines := strings.Split(strings.TrimSpace(s.input), "\n")
	var b strings.Builder
	for _, line := range lines {
		out, err := r.side.Shell(ctx, line, r.env())
		if err != nil {
			return b.String(), err
		}
		r.learn(ctx)
		if len(lines) > 1 {
			b.WriteString("$ " + line + "\n")
		}
		b.WriteString(r.show(out, s))
	}
	return b.String(), nil
}

func (r *runner) show(out side.Output, s step) string {
	var b strings.Builder
	stdout := out.Stdout
	if n := s.args["tail"]; len(n) == 1 {
		keep, _ := strconv.Atoi(n[0])
		lines := strings.Split(strings.TrimRight(stdout, "\n"), "\n")
		stdout = strings.Join(lines[max(0, len(lines)-keep):], "\n")
	}
	text := r.norm.text(stdout)
	if _, ok := s.args["sort"]; ok {
		lines := strings.Split(text, "\n")
		slices.Sort(lines)
		text = strings.Join(lines, "\n")
	}
	if text != "" {
		b.WriteString(text + "\n")
	}
	if e := r.norm.words(out.Stderr); e != "" {
		for line := range strings.Lines(e) {
			b.WriteString("stderr: " + strings.TrimRight(line, "\n") + "\n")
		}
	}
	if out.Exit != 0 {
		fmt.Fprintf(&b, "exit %d\n", out.Exit)
	}
	return strings.ReplaceAll(b.String(), "\n\n", "\n")
}

func (r *runner) env() []string {
	var env []string
	for k, v := range r.vars {
		env = append(env, k+"="+v)
	}
	return env
}

// let keeps a line's output for later steps.
func (r *runner) let(ctx context.Context, s step) (string, error) {
	if len(s.order) != 1 {
		return "", fmt.Errorf("%s: let takes one name", s.pos)
	}
	out, err := r.side.Shell(ctx, s.input, r.env())
	if err != nil {
		return "", err
	}
	r.vars[s.order[0]] = strings.TrimSpace(out.Stdout)
	if out.Exit != 0 || out.Stderr != "" {
		return r.show(out, s), nil
	}
	return "", nil
}

// api sends one request. The first line says what, the rest is the body. With the argument names, only the names
// of a list's objects are shown, with only=NAME only that member of an object.
func (r *runner) api(ctx context.Context, s step) (string, error) {
	input := s.input
	for k, v := range r.vars {
		input = strings.ReplaceAll(input, "${"+k+"}", v)
	}
	q := parseRequest(input)
	if !strings.HasPrefix(q.path, "/") {
		return "", fmt.Errorf("an api step starts with METHOD /path, not %q", input)
	}
	a, err := r.side.Call(ctx, q.method, escapeQuery(q.path), []byte(q.body), q.header)
	if err != nil {
		return "", err
	}
	r.sent, r.got = input, a
	r.learn(ctx)
	body := a.Body
	if _, names := s.args["names"]; names && a.Status == http.StatusOK {
		body = onlyNames(body)
	}
	if key := s.args["only"]; len(key) == 1 && a.Status == http.StatusOK {
		body = onlyMember(body, key[0])
	}
	text, isJSON := r.norm.json(body, true)
	if !isJSON {
		text = r.norm.words(string(a.Body))
	}
	return fmt.Sprintf("%d %s\n%s\n", a.Status, a.Header.Get("Content-Type"), text), nil
}

// onlyNames leaves of each object what tells it from others: the name, or what a task has instead.
func onlyNames(body []byte) []byte {
	var list []struct {
		ID, Name     string          `json:",omitempty"`
		DesiredState string          `json:",omitempty"`
		Slot         int             `json:",omitempty"`
		Status       json.RawMessage `json:"ServiceStatus,omitempty"`
		Spec         *struct {
			Name string `json:",omitempty"`
		} `json:",omitempty"`
	}
	if json.Unmarshal(body, &list) != nil {
		return body
	}
	short, err := json.Marshal(list)
	if err != nil {
		return body
	}
	return short
}

// onlyMember leaves one member of an object.
func onlyMember(body []byte, key string) []byte {
	var all map[string]json.RawMessage
	if json.Unmarshal(body, &all) != nil {
		return body
	}
	one, err := json.Marshal(map[string]json.RawMessage{key: all[key]})
	if err != nil {
		return body
	}
	return one
}

// escapeQuery lets scripts write filters={"name":["web"]} as it reads best.
func escapeQuery(path string) string {
	path, query, ok := strings.Cut(path, "?")
	if !ok {
		return path
	}
	parts := strings.Split(query, "&")
	for i, p := range parts {
		if k, v, ok := strings.Cut(p, "="); ok {
			parts[i] = k + "=" + url.QueryEscape(v)
		}
	}
	return path + "?" + strings.Join(parts, "&")
}

// learn asks for all objects, so that their short ids are recognised.
func (r *runner) learn(ctx context.Context) {
	for _, path := range []string{"/services", "/tasks", "/nodes", "/networks", "/secrets", "/configs", "/containers/json?all=1"} {
		if a, err := r.side.Call(ctx, "GET", path, nil); err == nil && a.Status == 200 {
			r.norm.ids.learn(string(a.Body))
		}
	}
}

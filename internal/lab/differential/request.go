package differential

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// apiRequest is what an api step sends.
type apiRequest struct {
	method, path string // path with version and query, as written
	header       http.Header
	body         string
}

var headerLine = regexp.MustCompile(`^([A-Z][A-Za-z-]+): (.*)$`)

// parseRequest reads an api step: "METHOD /path", headers, if any, and the rest is the body.
func parseRequest(input string) apiRequest {
	first, rest, _ := strings.Cut(strings.TrimSpace(input), "\n")
	r := apiRequest{header: http.Header{}}
	r.method, r.path, _ = strings.Cut(first, " ")
	for {
		line, after, _ := strings.Cut(rest, "\n")
		m := headerLine.FindStringSubmatch(line)
		if m == nil {
			r.body = rest
			return r
		}
		r.header.Set(m[1], m[2])
		rest = after
	}
}

// query is the request's query, whose values scripts write unescaped.
func (r apiRequest) query() url.Values {
	_, text, _ := strings.Cut(r.path, "?")
	values := url.Values{}
	for part := range strings.SplitSeq(text, "&") {
		if k, v, ok := strings.Cut(part, "="); ok {
			values.Add(k, v)
		}
	}
	return values
}

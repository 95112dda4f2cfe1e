package differential

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/skep-org/skep/internal/api/swagger"
	"github.com/skep-org/skep/internal/lab/differential/side"
)

// newestVersion is the newest API version whose description is at hand; requests without a version get it.
const newestVersion = "1.56"

// contract holds answers against the description of the version they were asked in.
type contract struct {
	mu   sync.Mutex
	docs map[string]*swagger.Document
}

var versionPrefix = regexp.MustCompile(`^/v(\d+\.\d+)(/.*)$`)

// operation finds what a request asks, by the description of its version; ok is false for versions and routes
// that have none. Descriptions before 1.37 lack much of what was sent then.
func (c *contract) operation(ctx context.Context, method, path string) (o swagger.Operation, ok bool, err error) {
	path, _, _ = strings.Cut(path, "?")
	version := newestVersion
	if m := versionPrefix.FindStringSubmatch(path); m != nil {
		version, path = m[1], m[2]
	}
	if len(version) != len("1.37") || version < "1.37" || version > newestVersion {
		return swagger.Operation{}, false, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	doc := c.docs[version]
	if doc == nil {
		if doc, err = swagger.Load(ctx, version); err != nil {
			return swagger.Operation{}, false, err
		}
		c.docs[version] = doc
	}
	o, ok = doc.Operation(method, path)
	return o, ok, nil
}

// check tells where skep's answer does not fit the description, and Docker's, the recorded one, does.
func (c *contract) check(ctx context.Context, input string, got side.Answer, recorded string) ([]string, error) {
	r := parseRequest(input)
	o, ok, err := c.operation(ctx, r.method, r.path)
	if err != nil || !ok {
		return nil, err
	}
	_, body, _ := strings.Cut(recorded, "\n")
	docker := violations(o, got.Status, body)
	return slices.DeleteFunc(violations(o, got.Status, string(got.Body)), func(v string) bool {
		return slices.Contains(docker, v)
	}), nil
}

// violations checks each JSON value of an answer.
func violations(o swagger.Operation, status int, body string) []string {
	var all []string
	for dec := json.NewDecoder(strings.NewReader(body)); ; {
		var value any
		if dec.Decode(&value) != nil {
			return all
		}
		all = append(all, o.Check(status, value)...)
	}
}

package routes

import "strings"

// Class says who answers a route.
type Class uint8

// The classes.
const (
	Passed Class = iota // the engine alone
	Merged              // the engine and the cluster together
	Ours                // the cluster alone
)

func (c Class) String() string { return [...]string{"passed", "merged", "ours"}[c] }

// Route is one method of one path of the API.
type Route struct {
	Class   Class
	Method  string
	Pattern string
}

// Key names a route, "GET /services/{id}".
func (r Route) Key() string { return r.Method + " " + r.Pattern }

// Mux finds the route of a request. It is immutable.
type Mux struct {
	byMethod map[string][]pattern
}

type pattern struct {
	route    Route
	segments []string
}

// NewMux makes a Mux of a table. Earlier routes win, literal ones over those with variables.
func NewMux(table []Route) *Mux {
	m := &Mux{byMethod: map[string][]pattern{}}
	for _, literal := range []bool{true, false} {
		for _, r := range table {
			if strings.Contains(r.Pattern, "{") != literal {
				p := pattern{r, strings.Split(r.Pattern[1:], "/")}
				m.byMethod[r.Method] = append(m.byMethod[r.Method], p)
			}
		}
	}
	return m
}

// Match returns the route of method and path (without version) and the value of its variable.
func (m *Mux) Match(method, path string) (r Route, variable string, ok bool) {
	if !strings.HasPrefix(path, "/") {
		return Route{}, "", false
	}
	segments := strings.Split(path[1:], "/")
	for _, p := range m.byMethod[method] {
		if variable, ok = p.match(segments); ok {
			return p.route, variable, true
		}
	}
	return Route{}, "", false
}

// match compares segment by segment. A pattern has at most one variable; {name} takes as many segments
// as the rest of the pattern leaves over.
func (p pattern) match(segments []string) (variable string, ok bool) {
	extra := len(segments) - len(p.segments)
	if extra < 0 {
		return "", false
	}
	at := 0
	for _, want := range p.segments {
		switch want {
		case "{id}":
			variable = segments[at]
		case "{name}":
			variable = strings.Join(segments[at:at+extra+1], "/")
			at += extra
			extra = 0
		default:
			if segments[at] != want {
				return "", false
			}
			at++
			continue
		}
		if variable == "" {
			return "", false
		}
		at++
	}
	return variable, at == len(segments)
}

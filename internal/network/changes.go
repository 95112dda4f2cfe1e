package network

import (
	"reflect"

	"github.com/skep-org/skep/internal/model"
)

// changes are what is otherwise in a network than it was. Managers' messages replace what they change: endpoints and services
// that are the same pointer are the same, so that ten thousand of them are looked through once and not compared.
type changes struct {
	services map[model.ID][]*Endpoint // of which anything is otherwise, with the endpoints that serve them now
	moved    bool                     // an endpoint came, went, or has another address or node
}

// changesOf compares two states of a network; was is nil where there was none.
func changesOf(was, n *Network) changes {
	c := changes{services: map[model.ID][]*Endpoint{}}
	if was == n {
		return c
	}
	if was == nil {
		was = &Network{}
	}
	c.compareServices(was, n)
	c.compareEndpoints(was, n)
	if len(c.services) == 0 {
		return c
	}
	for _, e := range n.Endpoints {
		if list, ok := c.services[e.Service]; ok && e.Serving {
			c.services[e.Service] = append(list, e)
		}
	}
	return c
}

func (c *changes) compareServices(was, n *Network) {
	found := 0
	for id, s := range n.Services {
		before := was.Services[id]
		if before != nil {
			found++
		}
		if before != s {
			c.services[id] = nil
		}
	}
	if found == len(was.Services) {
		return
	}
	for id := range was.Services {
		if n.Services[id] == nil {
			c.services[id] = nil
		}
	}
}

func (c *changes) compareEndpoints(was, n *Network) {
	found := 0
	for id, e := range n.Endpoints {
		before := was.Endpoints[id]
		if before != nil {
			found++
		}
		if before == e {
			continue
		}
		c.touch(e)
		if before != nil {
			c.touch(before)
		}
		c.moved = c.moved || before == nil || before.Addr != e.Addr || before.Node != e.Node
	}
	if found == len(was.Endpoints) {
		return
	}
	c.moved = true
	for id, before := range was.Endpoints {
		if n.Endpoints[id] == nil {
			c.touch(before)
		}
	}
}

// touch notes an endpoint's service; a guest has none.
func (c *changes) touch(e *Endpoint) {
	if !e.Service.IsZero() {
		c.services[e.Service] = nil
	}
}

// same reports whether two maps are one: a plan takes from the one before what cannot have changed.
func same[K comparable, V any](a, b map[K]V) bool {
	return reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer()
}

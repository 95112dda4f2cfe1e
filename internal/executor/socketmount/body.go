package socketmount

import (
	"encoding/json"
	"strings"
)

// CreateBody rewrites the body of POST /containers/create. It touches nothing but the sources, keeps
// fields it does not know, and returns a body it cannot read as it came: the engine has the better
// words for what is wrong with it.
func (r Rewriter) CreateBody(body []byte) []byte {
	if r.Socket == "" {
		return body
	}
	out, ok := edit(body, "HostConfig", func(hostConfig json.RawMessage) (json.RawMessage, bool) {
		binds, okBinds := edit(hostConfig, "Binds", r.binds)
		mounts, okMounts := edit(binds, "Mounts", r.mounts)
		return mounts, okBinds || okMounts
	})
	if !ok {
		return body
	}
	return out
}

func (r Rewriter) binds(raw json.RawMessage) (json.RawMessage, bool) {
	var binds []string
	if json.Unmarshal(raw, &binds) != nil {
		return raw, false
	}
	changed := false
	for i, bind := range binds {
		binds[i] = r.Bind(bind)
		changed = changed || binds[i] != bind
	}
	return remarshal(raw, binds, changed)
}

func (r Rewriter) mounts(raw json.RawMessage) (json.RawMessage, bool) {
	var mounts []json.RawMessage
	if json.Unmarshal(raw, &mounts) != nil {
		return raw, false
	}
	changed := false
	for i, m := range mounts {
		var probe struct{ Type string }
		if json.Unmarshal(m, &probe) != nil || probe.Type != "bind" {
			continue
		}
		edited, ok := edit(m, "Source", func(raw json.RawMessage) (json.RawMessage, bool) {
			var source string
			if json.Unmarshal(raw, &source) != nil {
				return raw, false
			}
			return remarshal(raw, r.Path(source), r.Path(source) != source)
		})
		mounts[i] = edited
		changed = changed || ok
	}
	return remarshal(raw, mounts, changed)
}

// edit applies change to the members of a JSON object called name, in any case: that is how the engine
// reads them.
func edit(object json.RawMessage, name string, change func(json.RawMessage) (json.RawMessage, bool)) (json.RawMessage, bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return object, false
	}
	changed := false
	for key, value := range members {
		if !strings.EqualFold(key, name) {
			continue
		}
		edited, ok := change(value)
		members[key] = edited
		changed = changed || ok
	}
	return remarshal(object, members, changed)
}

func remarshal(raw json.RawMessage, value any, changed bool) (json.RawMessage, bool) {
	if !changed {
		return raw, false
	}
	out, err := json.Marshal(value)
	if err != nil {
		return raw, false
	}
	return out, true
}

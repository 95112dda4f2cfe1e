package attach

import (
	"encoding/json"
	"strings"
)

// object is a JSON object whose members that nobody asks for stay as they were sent. Names are found in any case, as
// Docker reads them.
type object map[string]json.RawMessage

// objectOf reads an object; what is none, or null, is an empty one.
func objectOf(raw []byte) object {
	o := object{}
	if json.Unmarshal(raw, &o) != nil || o == nil {
		return object{}
	}
	return o
}

// key is how a member's name was spelled.
func (o object) key(name string) string {
	if _, ok := o[name]; ok {
		return name
	}
	for key := range o {
		if strings.EqualFold(key, name) {
			return key
		}
	}
	return name
}

func (o object) object(name string) object { return objectOf(o[o.key(name)]) }

func (o object) text(name string) (s string) {
	if json.Unmarshal(o[o.key(name)], &s) != nil {
		return ""
	}
	return s
}

func (o object) list(name string) (l []string) {
	if json.Unmarshal(o[o.key(name)], &l) != nil {
		return nil
	}
	return l
}

func (o object) drop(name string) { delete(o, o.key(name)) }

// set gives a member a value, which is made of strings and objects.
func (o object) set(name string, value any) {
	raw, err := json.Marshal(value)
	if err != nil {
		panic("attach: a value of a request cannot be written: " + err.Error())
	}
	o[o.key(name)] = raw
}

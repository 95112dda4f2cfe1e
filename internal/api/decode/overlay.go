package decode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Overlay writes the fields of typed over the JSON object raw, so that what was sent and is not known here
// survives beside what was changed. Fields of raw that match a typed one in any case give way to it: that
// is how they were read.
func Overlay(raw []byte, typed any) ([]byte, error) {
	encoded, err := json.Marshal(typed)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", typed, err)
	}
	var sent, known any
	if err := unmarshal(raw, &sent); err != nil {
		return nil, err
	}
	if err := unmarshal(encoded, &known); err != nil {
		return nil, err
	}
	return json.Marshal(overlay(sent, known))
}

// unmarshal keeps numbers as they were written.
func unmarshal(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(v)
}

func overlay(sent, known any) any {
	switch k := known.(type) {
	case map[string]any:
		s, ok := sent.(map[string]any)
		if !ok {
			return known
		}
		return overlayObject(s, k)
	case []any:
		s, ok := sent.([]any)
		if !ok || len(s) != len(k) {
			return known
		}
		for i := range k {
			k[i] = overlay(s[i], k[i])
		}
	}
	return known
}

func overlayObject(sent, known map[string]any) any {
	for name, value := range sent {
		same := ""
		for candidate := range known {
			if candidate == name || strings.EqualFold(candidate, name) {
				same = candidate
				break
			}
		}
		switch {
		case same == "" && value != nil:
			known[name] = value
		case same == name:
			known[name] = overlay(value, known[name])
		}
	}
	return known
}

package model

import (
	"bytes"
	"testing"

	"github.com/moby/moby/api/types/swarm"
)

// TestDocKeepsWhatWasSent: fields no type knows, and the order they came in.
func TestDocKeepsWhatWasSent(t *testing.T) {
	raw := []byte(`{"Future": {"b": 1, "a": 2},  "Name": "web", "TaskTemplate": {"ForceUpdate": 3}}`)
	d, err := NewDoc[swarm.ServiceSpec](raw)
	if err != nil {
		t.Fatal(err)
	}
	sent := bytes.Clone(raw)
	raw[2] = 'X' // the caller's buffer is its own
	if !bytes.Equal(d.Raw(), sent) || d.Get().Name != "web" || d.Get().TaskTemplate.ForceUpdate != 3 {
		t.Fatalf("kept %s as %+v", d.Raw(), d.Get())
	}
	if _, err := NewDoc[swarm.ServiceSpec]([]byte(`{"Name": 7}`)); err == nil {
		t.Fatal("a name that is a number was accepted")
	}
	var none Doc[swarm.ServiceSpec]
	if !none.IsZero() || none.Get() == nil || none.Raw() != nil || d.IsZero() {
		t.Fatal("no document is not what it should be")
	}
}

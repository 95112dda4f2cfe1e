package messages

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Message is one that an engine sends.
type Message struct {
	ID, Status string // of a layer that is pushed or pulled
	Stream     string // what a build prints, with its line ends
	Error      string
}

// Follow reads messages until they end, or one is an error.
func Follow(body io.Reader, each func(Message)) error {
	in := json.NewDecoder(body)
	for {
		var m Message
		err := in.Decode(&m)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the engine's answer cannot be read: %w", err)
		case m.Error != "":
			return errors.New(m.Error)
		}
		each(m)
	}
}

// Pushed is a line about a layer that has reached a registry, or was there; empty for any other message.
func (m Message) Pushed() string {
	if m.ID == "" || m.Status != "Pushed" && !strings.HasPrefix(m.Status, "Layer already exists") {
		return ""
	}
	return m.ID + ": " + m.Status
}

package provision

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// mostSaid is how much is kept of what a script says on its error output.
const mostSaid = 2048

// Tail keeps the end of what is written to it.
type Tail struct {
	mu   sync.Mutex
	said []byte
}

// Write implements io.Writer.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said = append(t.said, p...)
	if extra := len(t.said) - mostSaid; extra > 0 {
		t.said = append(t.said[:0], t.said[extra:]...)
	}
	return len(p), nil
}

// Explain adds to a script's error what it said.
func (t *Tail) Explain(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(string(bytes.TrimSpace(t.said)), "\n")
	said := strings.TrimSpace(strings.Join(lines[max(0, len(lines)-3):], "; "))
	if said == "" {
		return err
	}
	return fmt.Errorf("%s (%w)", said, err)
}

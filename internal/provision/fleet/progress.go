package fleet

import (
	"bytes"
	"fmt"
	"sync"
	"time"
)

// tellEvery is how often a step that takes its time shows that it goes on.
const tellEvery = 5 * time.Second

// lastLine keeps the last line written to it.
type lastLine struct {
	mu   sync.Mutex
	line []byte
	open []byte // a line that has not ended
}

// Write implements io.Writer.
func (l *lastLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, p...)
	if end := bytes.LastIndexByte(l.open, '\n'); end >= 0 {
		lines := bytes.Split(l.open[:end], []byte("\n"))
		l.line = bytes.Clone(bytes.TrimSpace(lines[len(lines)-1]))
		l.open = bytes.Clone(l.open[end+1:])
	}
	if len(l.open) > 4096 {
		l.open = nil
	}
	return len(p), nil
}

func (l *lastLine) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.line)
}

// tell shows every few seconds what was written last, until stop.
func (l *lastLine) tell(step string, say func(string)) (stop func()) {
	done := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		tick := time.NewTicker(tellEvery)
		defer tick.Stop()
		began := time.Now()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			say(fmt.Sprintf("%s: for %.0fs: %s", step, time.Since(began).Seconds(), l.last()))
		}
	})
	return func() { close(done); telling.Wait() }
}

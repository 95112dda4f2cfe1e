package dataplane

import "time"

const (
	// pollSandbox is how often a sandbox is looked at that is to become a namespace: the container's process starts soon
	// afterwards. With many that are awaited at once, to look is most of what this node does.
	pollSandbox = 5 * time.Millisecond
	// pollSoon is for how long; then its start has failed, or the machine has other troubles.
	pollSoon, pollLate = 10 * time.Second, 500 * time.Millisecond
)

// watchSandboxes looks whether sandboxes have become namespaces and returns when to look again; zero: nothing is awaited.
func (p *Plane) watchSandboxes() (next time.Time) {
	now := p.cfg.Env.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := map[string]bool{}
	for _, one := range p.places {
		if one.Sandbox != "" {
			wanted[one.Sandbox] = true
		}
	}
	for key := range wanted {
		if p.standing[key] {
			continue
		}
		if p.cfg.Standing(key) {
			p.standing[key] = true
			delete(p.awaited, key)
			p.touch()
			continue
		}
		since, ok := p.awaited[key]
		if !ok {
			since = now
			p.awaited[key] = now
		}
		again := now.Add(pollSandbox)
		if now.Sub(since) > pollSoon {
			again = now.Add(pollLate)
		}
		if next.IsZero() || again.Before(next) {
			next = again
		}
	}
	for key := range p.standing {
		if !wanted[key] {
			delete(p.standing, key)
		}
	}
	for key := range p.awaited {
		if !wanted[key] {
			delete(p.awaited, key)
		}
	}
	return next
}

// fallen has sandboxes awaited again that are no namespaces any more: the engine took one away without a word, or made
// another one in its place. It reports whether there were any.
func (p *Plane) fallen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := false
	for key := range p.standing {
		if !p.cfg.Standing(key) {
			delete(p.standing, key)
			found = true
			p.touch()
		}
	}
	return found
}

package engine

// CutLifeline does what the end of the starting process does to an attached engine.
func (e *Engine) CutLifeline() error { return e.keep.Close() }

// Cgroup is the parent of the containers' control groups.
func (e *Engine) Cgroup() string { return e.cgroup() }

// Alive tells whether the engine's first process runs.
func (e *Engine) Alive() (bool, error) { return e.alive() }

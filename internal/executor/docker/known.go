package docker

import (
	"sync"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// known remembers the tasks' containers, so that a start, a stop or an event does not have to ask the engine first.
// Being wrong costs a call that answers "no such container", never more.
type known struct {
	mu    sync.Mutex
	tasks map[model.ID]*executor.Container
	oom   map[string]bool // by container id: it ran out of memory, its end is still to come
}

func (k *known) get(task model.ID) (executor.Container, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, ok := k.tasks[task]
	if !ok {
		return executor.Container{}, false
	}
	return *c, true
}

func (k *known) put(c executor.Container) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tasks[c.TaskID] = &c
}

// putNew remembers a container of which only the creation is known.
func (k *known) putNew(c executor.Container) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if old, ok := k.tasks[c.TaskID]; !ok || old.ID != c.ID {
		k.tasks[c.TaskID] = &c
	}
}

// forget drops a task's container; id narrows it to that one, if not empty.
func (k *known) forget(task model.ID, id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c, ok := k.tasks[task]; ok && (id == "" || c.ID == id) {
		delete(k.tasks, task)
		delete(k.oom, c.ID)
	}
}

func (k *known) ranOutOfMemory(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.oom[id] = true
}

// ended tells, once, whether the container that ended had run out of memory.
func (k *known) ended(id string) (oom bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	oom = k.oom[id]
	delete(k.oom, id)
	return oom
}

// stopped makes a container's state one to ask the engine for: it has ended, or was never started.
func (k *known) stopped(task model.ID, id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c, ok := k.tasks[task]; ok && c.ID == id && c.Phase == executor.Running {
		delete(k.tasks, task)
	}
}

// prepared are the containers that this process has made or completed, and not removed.
type prepared struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (p *prepared) has(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ids[id]
}

func (p *prepared) add(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids[id] = true
}

func (p *prepared) drop(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.ids, id)
}

package scale

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// beginProfile has the processor's time recorded in a file.
func (m *managerRole) beginProfile(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	m.profile = f
	return nil
}

// endProfile ends the record, and writes down what is on the heap.
func (m *managerRole) endProfile(heap string) error {
	if m.profile == nil {
		return errors.New("no profile is being made")
	}
	pprof.StopCPUProfile()
	err := m.profile.Close()
	m.profile = nil
	f, ferr := os.Create(heap)
	if ferr != nil {
		return errors.Join(err, ferr)
	}
	runtime.GC()
	if perr := pprof.WriteHeapProfile(f); perr != nil {
		err = errors.Join(err, fmt.Errorf("write down the heap: %w", perr))
	}
	return errors.Join(err, f.Close())
}

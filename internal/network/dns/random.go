package dns

import (
	"encoding/binary"
	"io"
	"sync"
)

// random lets goroutines share a source that belongs to one.
type random struct {
	mu     sync.Mutex
	source io.Reader
}

func (r *random) uint64() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b [8]byte
	if _, err := io.ReadFull(r.source, b[:]); err != nil {
		panic("dns: the source of randomness failed: " + err.Error())
	}
	return binary.LittleEndian.Uint64(b[:])
}

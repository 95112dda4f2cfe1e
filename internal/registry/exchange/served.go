package exchange

import (
	"os"
	"sync"

	"github.com/skep-org/skep/internal/model"
)

// served is a blob on its way to another node.
type served struct {
	*os.File
	e    *Exchange
	d    model.Digest
	once sync.Once
}

func (s *served) Close() error {
	s.once.Do(func() {
		s.e.mu.Lock()
		defer s.e.mu.Unlock()
		if s.e.giving[s.d]--; s.e.giving[s.d] == 0 {
			delete(s.e.giving, s.d)
		}
	})
	return s.File.Close()
}

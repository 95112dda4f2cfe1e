package dispatcher

import (
	"bytes"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

const (
	maxKeys    = 2   // that a node has at a time
	keySize    = 32  // bytes in one
	maxRefusal = 256 // bytes in a node's reason
)

// encryptionReported writes down how a node carries encrypted networks. Its keys go to the other nodes with where it is
// reached.
func (m *Machine) encryptionReported(n *node, e *wire.Encryption) {
	if n == nil || n.state == nil {
		return
	}
	said := model.NodeEncryption{Means: e.Means, Refusal: e.Refusal, Sends: e.Sends}
	malformed := len(e.Keys) > maxKeys || len(e.Refusal) > maxRefusal || len(e.Means) > maxRefusal
	for _, k := range e.Keys {
		malformed = malformed || len(k.Key) != keySize || k.Generation == 0 || k.Port == 0 || k.Port > 65535
		said.Keys = append(said.Keys, model.NodeKey{Generation: k.Generation, Key: k.Key, Port: uint16(k.Port)})
	}
	if malformed {
		m.counters.Malformed++
		return
	}
	doc := model.DocOf(said)
	if bytes.Equal(doc.Raw(), n.state.Encryption.Raw()) {
		return
	}
	row := *n.state
	row.Encryption = doc
	n.state = &row
	m.pending.add(store.NodeStates.Put(&row))
}

// keysOf are a node's keys as others are told of them.
func keysOf(st *model.NodeState) (keys []*wire.NodeKey) {
	for _, k := range st.Encryption.Get().Keys {
		keys = append(keys, &wire.NodeKey{Generation: k.Generation, Key: k.Key, Port: uint32(k.Port)})
	}
	return keys
}

package store

import (
	"fmt"

	"github.com/skep-org/skep/internal/model"
	"google.golang.org/protobuf/encoding/protowire"
)

// Entry is one log entry: a batch, stamped by the leader.
type Entry struct {
	Time     int64  // Unix nanoseconds
	Proposal uint64 // tells the proposer its own entry again; 0 when nobody waits
	Batch    *Batch
}

// Field numbers of an entry, a change and a condition. They are on disk.
const (
	entryTime, entryProposal, entryWriter, entryChange, entryCondition = 1, 2, 3, 4, 5

	changeTable, changeKey, changeRow, changeDelete = 1, 2, 3, 4

	condTable, condKey, condVersion, condExists, condNoUse, condPorts = 1, 2, 3, 4, 5, 6
)

// EncodeEntry gives an entry the form it has in the log. A batch that does not fit one entry is refused.
func EncodeEntry(e Entry) ([]byte, error) {
	b := appendNum(nil, entryTime, uint64(e.Time))
	b = appendNum(b, entryProposal, e.Proposal)
	b = appendNum(b, entryWriter, uint64(e.Batch.Writer))
	for _, c := range e.Batch.Conditions {
		m := appendNum(nil, condTable, uint64(c.Table))
		m = appendBytes(m, condKey, keyBytes(c.Key))
		m = appendNum(m, condVersion, c.Version)
		m = appendNum(m, condExists, bit(c.Exists))
		m = appendNum(m, condNoUse, bit(c.NoUse))
		m = appendNum(m, condPorts, bit(c.Ports))
		b = appendBytes(b, entryCondition, m)
	}
	for _, c := range e.Batch.Changes {
		b = appendBytes(b, entryChange, encodeChange(c))
	}
	if len(b) > MaxBatchBytes {
		return nil, fmt.Errorf("%d bytes: %w", len(b), ErrTooLarge)
	}
	return b, nil
}

func encodeChange(c Change) []byte {
	m := appendNum(nil, changeTable, uint64(c.Table))
	switch {
	case c.raw != nil:
		return appendBytes(appendBytes(m, changeKey, keyBytes(c.Key)), changeRow, c.raw)
	case c.Row == nil:
		return appendNum(appendBytes(m, changeKey, keyBytes(c.Key)), changeDelete, 1)
	}
	return appendBytes(appendBytes(m, changeKey, keyBytes(c.Key)), changeRow, tableDef(c.Table).appendRow(nil, c.Row))
}

// Size is what a change takes of [MaxBatchBytes], for whoever splits a plan into batches.
func (c Change) Size() int { return len(encodeChange(c)) + 4 }

// DecodeEntry reads what EncodeEntry wrote.
func DecodeEntry(b []byte) (Entry, error) {
	e := Entry{Batch: &Batch{}}
	err := eachField(b, func(num protowire.Number, f fieldData, _ []byte) error {
		switch num {
		case entryTime:
			e.Time = int64(f.n)
		case entryProposal:
			e.Proposal = f.n
		case entryWriter:
			e.Batch.Writer = Writer(f.n)
		case entryChange:
			c, err := decodeChange(f.b)
			e.Batch.Changes = append(e.Batch.Changes, c)
			return err
		case entryCondition:
			c, err := decodeCondition(f.b)
			e.Batch.Conditions = append(e.Batch.Conditions, c)
			return err
		}
		return nil
	})
	if err != nil {
		return Entry{}, fmt.Errorf("log entry: %w", err)
	}
	return e, nil
}

func decodeChange(b []byte) (c Change, err error) {
	var row []byte
	var del bool
	err = eachField(b, func(num protowire.Number, f fieldData, _ []byte) error {
		switch num {
		case changeTable:
			c.Table = TableID(f.n)
		case changeKey:
			c.Key, err = bytesKey(f.b)
			return err
		case changeRow:
			row = f.b
		case changeDelete:
			del = true
		}
		return nil
	})
	if err != nil || del {
		return c, err
	}
	def := tableDef(c.Table)
	if def == nil {
		c.raw = append([]byte{}, row...)
		return c, nil
	}
	c.Row, err = def.decodeRow(row)
	if err != nil {
		return c, fmt.Errorf("table %s: %w", def.Name(), err)
	}
	return c, nil
}

func decodeCondition(b []byte) (c Condition, err error) {
	err = eachField(b, func(num protowire.Number, f fieldData, _ []byte) error {
		switch num {
		case condTable:
			c.Table = TableID(f.n)
		case condKey:
			c.Key, err = bytesKey(f.b)
			return err
		case condVersion:
			c.Version = f.n
		case condExists:
			c.Exists = f.n != 0
		case condNoUse:
			c.NoUse = f.n != 0
		case condPorts:
			c.Ports = f.n != 0
		}
		return nil
	})
	return c, err
}

// keyBytes leaves an absent second id out.
func keyBytes(k model.Key) []byte {
	if k.B.IsZero() {
		return k.A[:]
	}
	return append(k.A[:], k.B[:]...)
}

func bytesKey(b []byte) (k model.Key, err error) {
	if len(b) != 16 && len(b) != 32 {
		return k, fmt.Errorf("a key of %d bytes", len(b))
	}
	copy(k.A[:], b)
	copy(k.B[:], b[16:])
	return k, nil
}

func bit(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

func appendNum(b []byte, num protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), n)
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

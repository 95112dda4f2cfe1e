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

	owned bool // the batch's rows are nobody else's: the first store that applies it keeps them
}

// Field numbers of an entry, a change and a condition. They are on disk.
const (
	entryTime, entryProposal, entryWriter, entryChange, entryCondition = 1, 2, 3, 4, 5

	changeTable, changeKey, changeRow, changeDelete = 1, 2, 3, 4

	condTable, condKey, condVersion, condExists, condNoUse, condPorts = 1, 2, 3, 4, 5, 6
)

// EncodeEntry gives an entry the form it has in the log. A batch that does not fit one entry is refused.
func EncodeEntry(e Entry) ([]byte, error) {
	size := 64
	for _, c := range e.Batch.Changes {
		size += len(c.form) + 4
	}
	b := appendNum(make([]byte, 0, size), entryTime, uint64(e.Time))
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
	if c.form != nil {
		return c.form
	}
	var e Encoder
	return e.append(nil, c)
}

// Encoder makes the form that changes have in the log, once for whoever splits them and whoever writes them. Many share a
// piece of memory.
type Encoder struct {
	row   []byte // of one change after the other
	forms []byte
}

// encoderPiece is so large that it costs little to begin one, and so small that a form keeps little else.
const encoderPiece = 64 << 10

// Encoded is a change that need not be encoded again, and what it takes of [MaxBatchBytes]. Its row must not be changed
// afterwards.
func (e *Encoder) Encoded(c Change) (Change, int) {
	if c.form == nil {
		if cap(e.forms)-len(e.forms) < encoderPiece/8 {
			e.forms = make([]byte, 0, encoderPiece)
		}
		from := len(e.forms)
		e.forms = e.append(e.forms, c)
		c.form = e.forms[from:len(e.forms):len(e.forms)]
	}
	return c, len(c.form) + 4
}

func (e *Encoder) append(b []byte, c Change) []byte {
	b = appendNum(b, changeTable, uint64(c.Table))
	b = appendBytes(b, changeKey, keyBytes(c.Key))
	switch {
	case c.raw != nil:
		return appendBytes(b, changeRow, c.raw)
	case c.Row == nil:
		return appendNum(b, changeDelete, 1)
	}
	e.row = tableDef(c.Table).appendRow(e.row[:0], c.Row)
	return appendBytes(b, changeRow, e.row)
}

// Size is what a change takes of [MaxBatchBytes].
func (c Change) Size() int { return len(encodeChange(c)) + 4 }

// DecodeEntry reads what EncodeEntry wrote.
func DecodeEntry(b []byte) (Entry, error) {
	e := Entry{Batch: &Batch{}, owned: true}
	if n := countFields(b, entryChange); n > 0 {
		e.Batch.Changes = make([]Change, 0, n)
	}
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

// countFields counts a message's fields of one number, as far as it can be read.
func countFields(b []byte, num protowire.Number) (n int) {
	_ = eachField(b, func(got protowire.Number, _ fieldData, _ []byte) error {
		if got == num {
			n++
		}
		return nil
	})
	return n
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

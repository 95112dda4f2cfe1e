package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"google.golang.org/protobuf/encoding/protowire"
)

// A snapshot is a stream of length-prefixed records: a header, then one record a row. The replicated log encrypts
// and checksums it; here it is only framed.
const (
	snapIndex, snapNow, snapRows = 1, 2, 3

	rowTable, rowKey, rowBytes, rowIndex, rowCreated, rowUpdated = 1, 2, 3, 4, 5, 6

	maxRecord = 16 << 20
)

// Snapshot writes the view to w. It may run beside later writes: the view does not change.
func (v View) Snapshot(w io.Writer) error {
	bw := bufio.NewWriterSize(w, 1<<16)
	st := v.st.settled()
	rows := uint64(st.unknown.Len())
	for _, tr := range st.trees {
		if tr != nil {
			rows += uint64(tr.len())
		}
	}
	head := appendNum(appendNum(appendNum(nil, snapIndex, st.index), snapNow, uint64(st.now)), snapRows, rows)
	err := writeRecord(bw, head)
	var row, record []byte // of one row after the other
	for num, tr := range st.trees {
		if tr == nil || err != nil {
			continue
		}
		def := tableDef(TableID(num))
		tr.scan(func(r Row) bool {
			row = def.appendRow(row[:0], r)
			record = appendRecord(record[:0], TableID(num), r.Key(), r.GetMeta(), row)
			err = writeRecord(bw, record)
			return err == nil
		})
	}
	if err == nil {
		st.unknown.Scan(func(r *unknownRow) bool {
			err = writeRecord(bw, appendRecord(nil, r.table, r.key, &r.meta, r.raw))
			return err == nil
		})
	}
	if err == nil {
		err = bw.Flush()
	}
	if err != nil {
		return fmt.Errorf("write snapshot of the state: %w", err)
	}
	return nil
}

// appendRecord says the key even where the row does: a build that does not know the table cannot read it there.
func appendRecord(b []byte, table TableID, k model.Key, m *model.Meta, row []byte) []byte {
	b = appendNum(b, rowTable, uint64(table))
	b = appendBytes(appendBytes(b, rowKey, keyBytes(k)), rowBytes, row)
	return appendNum(appendNum(appendNum(b, rowIndex, m.Index), rowCreated, uint64(m.Created)), rowUpdated, uint64(m.Updated))
}

// Restore replaces the state by a snapshot. On an error the state is as before. Watchers start over.
func (s *Store) Restore(r io.Reader) error {
	st, err := readSnapshot(bufio.NewReaderSize(r, 1<<16))
	if err != nil {
		return fmt.Errorf("read snapshot of the state: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cur.Store(st)
	s.feed, s.dropped = nil, st.index
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

func readSnapshot(r *bufio.Reader) (*state, error) {
	st := emptyState()
	var rows uint64
	head, err := readRecord(r, nil)
	if err != nil {
		return nil, err
	}
	err = eachField(head, func(num protowire.Number, f fieldData, _ []byte) error {
		switch num {
		case snapIndex:
			st.index = f.n
		case snapNow:
			st.now = int64(f.n)
		case snapRows:
			rows = f.n
		}
		return nil
	})
	for b := head; err == nil && rows > 0; rows-- {
		if b, err = readRecord(r, b); err == nil {
			err = st.restoreRow(b)
		}
	}
	for _, tr := range st.trees {
		if tr != nil {
			tr.flush()
		}
	}
	return st, err
}

// restoreRow keeps nothing of b.
func (st *state) restoreRow(b []byte) error {
	var table TableID
	var key model.Key
	var row []byte
	var m model.Meta
	err := eachField(b, func(num protowire.Number, f fieldData, _ []byte) (err error) {
		switch num {
		case rowTable:
			table = TableID(f.n)
		case rowKey:
			key, err = bytesKey(f.b)
		case rowBytes:
			row = f.b
		case rowIndex:
			m.Index = f.n
		case rowCreated:
			m.Created = int64(f.n)
		case rowUpdated:
			m.Updated = int64(f.n)
		}
		return err
	})
	if err != nil {
		return err
	}
	def := tableDef(table)
	if def == nil {
		st.unknown.Set(&unknownRow{table: table, key: key, meta: m, raw: append([]byte{}, row...)})
		return nil
	}
	r, err := def.decodeRow(row)
	if err != nil {
		return fmt.Errorf("table %s: %w", def.Name(), err)
	}
	head := r.GetMeta()
	head.Index, head.Created, head.Updated = m.Index, m.Created, m.Updated
	st.trees[table].restore(r)
	return nil
}

func writeRecord(w *bufio.Writer, b []byte) error {
	var size [binary.MaxVarintLen64]byte
	if _, err := w.Write(size[:binary.PutUvarint(size[:], uint64(len(b)))]); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

// readRecord returns the next record in the place of one that is not needed any more.
func readRecord(r *bufio.Reader, b []byte) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, noEOF(err)
	}
	if n > maxRecord {
		return nil, fmt.Errorf("a record of %d bytes", n)
	}
	b = slices.Grow(b[:0], int(n))[:n]
	_, err = io.ReadFull(r, b)
	return b, noEOF(err)
}

// noEOF makes a snapshot that ends early an error, not an end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

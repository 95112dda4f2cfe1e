package store

import (
	"errors"
	"fmt"

	"github.com/skep-org/skep/internal/model"
)

// Change is one row write. A nil Row deletes the row at Key.
type Change struct {
	Table TableID
	Key   model.Key
	Row   Row
	raw   []byte // the row of a table this build does not know
	form  []byte // what it is in the log, if that was made already; see Encoder
}

// Put writes row, which must not be changed afterwards.
func (t *Table[R]) Put(row *R) Change {
	return Change{Table: t.id, Key: t.key(row), Row: any(row).(Row)}
}

// Delete removes the row at key; there being none is no error.
func (t *Table[R]) Delete(key model.Key) Change { return Change{Table: t.id, Key: key} }

// Condition must hold, when the batch is applied, for any of it to be written.
type Condition struct {
	Table   TableID
	Key     model.Key
	Version uint64 // the row's version; 0 means there is no such row
	Exists  bool   // instead of Version: the row exists, whatever its version
	NoUse   bool   // instead: no service's wanted or active revision refers to the object Key names
	Ports   bool   // instead: no other service has the ports of the service, or of the allocation, that the batch writes at Key
}

// At is the condition that row is still as it was read.
func (t *Table[R]) At(row *R) Condition {
	return Condition{Table: t.id, Key: t.key(row), Version: t.version(row)}
}

// Absent is the condition that there is no row at key.
func (t *Table[R]) Absent(key model.Key) Condition { return Condition{Table: t.id, Key: key} }

// Present is the condition that there is a row at key.
func (t *Table[R]) Present(key model.Key) Condition {
	return Condition{Table: t.id, Key: key, Exists: true}
}

// Unused is the condition that no service refers to the network, secret or config at key.
func (t *Table[R]) Unused(key model.Key) Condition {
	return Condition{Table: t.id, Key: key, NoUse: true}
}

// PortsFree is the condition that no other service has one of the published ports of the service, or allocation, that
// the batch writes at key.
func (t *Table[R]) PortsFree(key model.Key) Condition {
	return Condition{Table: t.id, Key: key, Ports: true}
}

// Batch is a set of row writes that are applied together or not at all.
type Batch struct {
	Writer     Writer
	Conditions []Condition
	Changes    []Change
}

// MaxBatchBytes bounds one log entry.
const MaxBatchBytes = 1_500_000

// Errors of a batch that was applied in order and refused.
var (
	ErrConflict = errors.New("the object was changed by another request since it was read")
	ErrExists   = errors.New("an object with that name already exists")
	ErrNotFound = errors.New("the object does not exist any more")
	ErrInUse    = errors.New("the object is in use")
	ErrWriter   = errors.New("a table was written by a stage that does not own it")
	ErrTooLarge = errors.New("the change is larger than a log entry may be")
)

// UniqueError says which unique index refused a row.
type UniqueError struct {
	Table TableID
	Index string
	Key   model.Key
}

func (e *UniqueError) Error() string {
	return fmt.Sprintf("%s: %v", tableName(e.Table), ErrExists)
}

// Unwrap makes errors.Is(err, ErrExists) true.
func (e *UniqueError) Unwrap() error { return ErrExists }

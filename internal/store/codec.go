package store

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/skep-org/skep/internal/model"
	"google.golang.org/protobuf/encoding/protowire"
)

// field is one field of a row in protobuf's wire format. Numbers are on disk and never reused. A zero value is not
// written, so rows stay small and a field added later reads as zero from older rows.
type field[R any] struct {
	num protowire.Number
	put func(b []byte, num protowire.Number, r *R) []byte
	get func(r *R, f fieldData) error
}

// fieldData is a decoded field: n for a varint, b for bytes.
type fieldData struct {
	n uint64
	b []byte
}

type integer interface {
	~uint8 | ~uint32 | ~uint64 | ~int32 | ~int64
}

// number is a varint; negative numbers take ten bytes, as protobuf's int64.
func number[R any, N integer](num protowire.Number, at func(*R) *N) field[R] {
	return field[R]{num, func(b []byte, num protowire.Number, r *R) []byte {
		if *at(r) == 0 {
			return b
		}
		return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), uint64(*at(r)))
	}, func(r *R, f fieldData) error { *at(r) = N(f.n); return nil }}
}

func boolean[R any](num protowire.Number, at func(*R) *bool) field[R] {
	return field[R]{num, func(b []byte, num protowire.Number, r *R) []byte {
		if !*at(r) {
			return b
		}
		return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), 1)
	}, func(r *R, f fieldData) error { *at(r) = f.n != 0; return nil }}
}

// opaque is a field of bytes; enc returns nothing for the zero value.
func opaque[R any](num protowire.Number, enc func(*R) []byte, dec func(*R, []byte) error) field[R] {
	return field[R]{num, func(b []byte, num protowire.Number, r *R) []byte {
		v := enc(r)
		if len(v) == 0 {
			return b
		}
		return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
	}, func(r *R, f fieldData) error { return dec(r, f.b) }}
}

func text[R any](num protowire.Number, at func(*R) *string) field[R] {
	return opaque(num, func(r *R) []byte { return []byte(*at(r)) },
		func(r *R, b []byte) error { *at(r) = string(b); return nil })
}

func blob[R any](num protowire.Number, at func(*R) *[]byte) field[R] {
	return opaque(num, func(r *R) []byte { return *at(r) },
		func(r *R, b []byte) error { *at(r) = append([]byte(nil), b...); return nil })
}

func id[R any](num protowire.Number, at func(*R) *model.ID) field[R] {
	return opaque(num, func(r *R) []byte {
		if at(r).IsZero() {
			return nil
		}
		return at(r)[:]
	}, func(r *R, b []byte) error { return fixed(at(r)[:], b) })
}

// times is a list of times in rising order, each kept as its distance from the one before.
func times[R any](num protowire.Number, at func(*R) *[]int64) field[R] {
	return opaque(num, func(r *R) (b []byte) {
		last := int64(0)
		for _, t := range *at(r) {
			b = protowire.AppendVarint(b, protowire.EncodeZigZag(t-last))
			last = t
		}
		return b
	}, func(r *R, b []byte) error {
		last := int64(0)
		for len(b) > 0 {
			d, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return protowire.ParseError(n)
			}
			last += protowire.DecodeZigZag(d)
			*at(r) = append(*at(r), last)
			b = b[n:]
		}
		return nil
	})
}

func fixed(dst, b []byte) error {
	if copy(dst, b) != len(dst) || len(b) != len(dst) {
		return fmt.Errorf("a field of %d bytes has %d", len(dst), len(b))
	}
	return nil
}

func document[R, T any](num protowire.Number, at func(*R) *model.Doc[T]) field[R] {
	return opaque(num, func(r *R) []byte { return at(r).Raw() }, func(r *R, b []byte) (err error) {
		*at(r), err = model.NewDoc[T](b)
		return err
	})
}

// asJSON keeps a value of one of Docker's types inside a row skep writes.
func asJSON[R, T any](num protowire.Number, at func(*R) *T, zero func(*R) bool) field[R] {
	return opaque(num, func(r *R) []byte {
		if zero(r) {
			return nil
		}
		b, err := json.Marshal(*at(r))
		if err != nil {
			panic("store: a row cannot be marshalled: " + err.Error())
		}
		return b
	}, func(r *R, b []byte) error { return json.Unmarshal(b, at(r)) })
}

// list is a repeated message. Only a row's own unknown fields survive: a list's element never gets a new field, what
// it would say becomes a field of the row.
func list[R, E any](num protowire.Number, at func(*R) *[]E, fields []field[E]) field[R] {
	return field[R]{num, func(b []byte, num protowire.Number, r *R) []byte {
		for i := range *at(r) {
			b = protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), encodeFields(nil, fields, &(*at(r))[i]))
		}
		return b
	}, func(r *R, f fieldData) error {
		var e E
		if _, err := decodeFields(f.b, fields, &e); err != nil {
			return err
		}
		*at(r) = append(*at(r), e)
		return nil
	}}
}

func prefix[R any](num protowire.Number, at func(*R) *netip.Prefix) field[R] {
	return opaque(num, func(r *R) []byte {
		if !at(r).IsValid() {
			return nil
		}
		b, _ := at(r).MarshalBinary()
		return b
	}, func(r *R, b []byte) error { return at(r).UnmarshalBinary(b) })
}

func addr[R any](num protowire.Number, at func(*R) *netip.Addr) field[R] {
	return opaque(num, func(r *R) []byte {
		if !at(r).IsValid() {
			return nil
		}
		b, _ := at(r).MarshalBinary()
		return b
	}, func(r *R, b []byte) error { return at(r).UnmarshalBinary(b) })
}

func encodeFields[R any](b []byte, fields []field[R], r *R) []byte {
	for _, f := range fields {
		b = f.put(b, f.num, r)
	}
	return b
}

// decodeFields reads a message into r and returns the fields it does not know, as they stood.
func decodeFields[R any](b []byte, fields []field[R], r *R) (unknown []byte, err error) {
	err = eachField(b, func(num protowire.Number, f fieldData, whole []byte) error {
		for i := range fields {
			if fields[i].num == num {
				return fields[i].get(r, f)
			}
		}
		unknown = append(unknown, whole...)
		return nil
	})
	return unknown, err
}

// eachField walks a message; whole is the field with its tag.
func eachField(b []byte, f func(num protowire.Number, d fieldData, whole []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		var d fieldData
		var m int
		switch typ {
		case protowire.VarintType:
			d.n, m = protowire.ConsumeVarint(b[n:])
		case protowire.BytesType:
			d.b, m = protowire.ConsumeBytes(b[n:])
		default:
			m = protowire.ConsumeFieldValue(num, typ, b[n:])
		}
		if m < 0 {
			return protowire.ParseError(m)
		}
		if err := f(num, d, b[:n+m]); err != nil {
			return fmt.Errorf("field %d: %w", num, err)
		}
		b = b[n+m:]
	}
	return nil
}

package store

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
	"github.com/skep-org/skep/internal/model"
	"pgregory.net/rapid"
)

// tables lists every table of this build.
func tables() []tableDescriptor {
	var out []tableDescriptor
	for num := range TableID(tableCount) {
		if def := tableDef(num); def != nil {
			out = append(out, def)
		}
	}
	return out
}

// drawRow makes a row of any table with each field set or left zero, except for stamps and unknown fields.
func drawRow(t *rapid.T, def tableDescriptor, ids *rapid.Generator[model.ID]) Row {
	row, err := def.decodeRow(nil)
	if err != nil {
		t.Fatal(err)
	}
	fill(reflect.ValueOf(row).Elem(), &drawer{t: t, ids: ids})
	return row
}

// fullRow sets every field of a row.
func fullRow(def tableDescriptor) Row {
	row, _ := def.decodeRow(nil)
	fill(reflect.ValueOf(row).Elem(), &drawer{})
	return row
}

// drawer chooses values; without a t it gives every field one that is not zero.
type drawer struct {
	t   *rapid.T
	ids *rapid.Generator[model.ID]
	n   uint64
}

func (d *drawer) number(limit uint64) uint64 {
	if d.t != nil {
		return rapid.Uint64Range(0, limit).Draw(d.t, "number")
	}
	d.n++
	return 1 + d.n%min(limit, 1<<20)
}

func (d *drawer) id() model.ID {
	if d.t != nil {
		return d.ids.Draw(d.t, "id")
	}
	return model.NumID(d.number(1 << 60))
}

func (d *drawer) text() string {
	if d.t != nil {
		return rapid.SampledFrom([]string{"", "a", "b", "web", "ünï", strings.Repeat("x", 300)}).Draw(d.t, "text")
	}
	return fmt.Sprint("text ", d.number(1<<20))
}

func (d *drawer) length() int {
	if d.t != nil {
		return rapid.IntRange(0, 3).Draw(d.t, "length")
	}
	return 2
}

// document gives documents of one type each: what is inside is Docker's.
func drawDocument[T any](d *drawer, name string) model.Doc[T] {
	if d.t != nil && rapid.Bool().Draw(d.t, "no document") {
		return model.Doc[T]{}
	}
	doc, err := model.NewDoc[T](fmt.Appendf(nil, `{"Name": %q, "FutureField": [1, {"x": null}]}`, name+d.text()))
	if err != nil {
		panic(err)
	}
	return doc
}

func fill(v reflect.Value, d *drawer) {
	switch at := v.Addr().Interface().(type) {
	case *model.Meta:
		return
	case *model.ID:
		*at = d.id()
		return
	case *model.Doc[swarm.Spec]:
		*at = drawDocument[swarm.Spec](d, "cluster")
		return
	case *model.Doc[swarm.NodeSpec]:
		*at = drawDocument[swarm.NodeSpec](d, "node")
		return
	case *model.Doc[swarm.NodeDescription]:
		*at = drawDocument[swarm.NodeDescription](d, "description")
		return
	case *model.Doc[model.NodeEncryption]:
		*at = drawDocument[model.NodeEncryption](d, "encryption")
		return
	case *model.Doc[swarm.NetworkSpec]:
		*at = drawDocument[swarm.NetworkSpec](d, "network")
		return
	case *model.Doc[swarm.SecretSpec]:
		*at = drawDocument[swarm.SecretSpec](d, "secret")
		return
	case *model.Doc[swarm.ConfigSpec]:
		*at = drawDocument[swarm.ConfigSpec](d, "config")
		return
	case *model.Doc[swarm.ServiceSpec]:
		*at = drawDocument[swarm.ServiceSpec](d, "service")
		return
	case *model.Doc[volume.CreateRequest]:
		*at = drawDocument[volume.CreateRequest](d, "volume")
		return
	case *netip.Prefix:
		*at = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(d.number(255)), 0, 0}), 1+int(d.number(23)))
		return
	case *netip.Addr:
		*at = netip.AddrFrom4([4]byte{10, 0, 0, byte(d.number(255))})
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), d)
		}
	case reflect.Pointer:
		if d.length() > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), d)
		}
	case reflect.Slice:
		if n := d.length(); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(v.Index(i), d)
			}
		}
	case reflect.Map:
		if n := d.length(); n > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				fill(key, d)
				fill(value, d)
				v.SetMapIndex(key, value)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), d)
		}
	case reflect.String:
		v.SetString(d.text())
	case reflect.Bool:
		v.SetBool(d.t == nil || d.number(1) == 1)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(d.number(1<<v.Type().Bits() - 1))
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(d.number(1<<(v.Type().Bits()-1)-1)) * (1 - 2*int64(d.number(100)/90)))
	default:
		panic("no value for a field of kind " + v.Kind().String())
	}
}

// someIDs makes ids that come up again.
func someIDs() *rapid.Generator[model.ID] {
	return rapid.Custom(func(t *rapid.T) model.ID { return model.NumID(rapid.Uint64Range(0, 6).Draw(t, "id")) })
}

// drawBatch makes a batch of a writer's own tables and, now and then, of a table nobody knows.
func drawBatch(t *rapid.T) *Batch {
	all := tables()
	b := &Batch{Writer: Writer(rapid.IntRange(int(WriterInit), int(WriterJoin)).Draw(t, "writer"))}
	for range rapid.IntRange(0, 6).Draw(t, "changes") {
		def := all[rapid.IntRange(0, len(all)-1).Draw(t, "table")]
		switch {
		case rapid.IntRange(0, 9).Draw(t, "unknown table") == 0:
			b.Changes = append(b.Changes, drawUnknown(t))
		case def.tableWriter() != b.Writer && !(b.Writer == WriterJoin && (def.ID() == NodeSpecs.id || def.ID() == NodeIdentities.id)) && rapid.IntRange(0, 9).Draw(t, "foreign table") > 0:
		default:
			row := drawRow(t, def, someIDs())
			c := Change{Table: def.ID(), Key: row.Key()}
			if rapid.IntRange(0, 3).Draw(t, "delete") > 0 {
				c.Row = row
			}
			b.Changes = append(b.Changes, c)
		}
	}
	for range rapid.IntRange(0, 1).Draw(t, "conditions") {
		def := all[rapid.IntRange(0, len(all)-1).Draw(t, "table")]
		c := Condition{Table: def.ID(), Key: drawRow(t, def, someIDs()).Key()}
		switch rapid.IntRange(0, 4).Draw(t, "condition") {
		case 0:
			c.Exists = true
		case 1:
			c.NoUse = true
		case 2:
			c.Version = rapid.Uint64Range(1, 20).Draw(t, "version")
		case 3:
			c.Ports = true
		}
		b.Conditions = append(b.Conditions, c)
	}
	return b
}

func drawUnknown(t *rapid.T) Change {
	c := Change{
		Table: TableID(rapid.IntRange(tableCount-2, 255).Draw(t, "table")),
		Key:   model.KeyPair(someIDs().Draw(t, "a"), someIDs().Draw(t, "b")),
	}
	if rapid.Bool().Draw(t, "write") {
		c.raw = append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "raw")...)
	}
	return c
}

// flatten prints a row's fields by their names, zero ones left out, so that a field added later changes no line of an
// older release.
func flatten(out map[string]string, name string, v any) {
	if r, ok := v.(interface{ Raw() []byte }); ok {
		if raw := r.Raw(); raw != nil {
			out[name] = string(raw)
		}
		return
	}
	rv := reflect.ValueOf(v)
	if rv.IsZero() {
		return
	}
	if s, ok := v.(fmt.Stringer); ok && (rv.Kind() == reflect.Array || rv.Kind() == reflect.Struct) {
		out[name] = s.String()
		return
	}
	switch rv.Kind() {
	case reflect.Uint8, reflect.Uint32, reflect.Uint64: // states and reasons as numbers: their names may change
		out[name] = fmt.Sprint(rv.Uint())
	case reflect.Pointer:
		flatten(out, name, rv.Elem().Interface())
	case reflect.Struct:
		for i := range rv.NumField() {
			flatten(out, name+"/"+rv.Type().Field(i).Name, rv.Field(i).Interface())
		}
	case reflect.Slice:
		if b, ok := v.([]byte); ok {
			out[name] = fmt.Sprintf("%x", b)
			return
		}
		for i := range rv.Len() {
			flatten(out, fmt.Sprint(name, "/", i), rv.Index(i).Interface())
		}
	default:
		out[name] = fmt.Sprint(v)
	}
}

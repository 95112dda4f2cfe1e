package wire

import (
	"encoding/hex"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Until the first release v1 may be written anew when a message changes; afterwards a release adds a file.
var golden = flag.String("golden", "", "write the messages of this build to testdata/golden/NAME.txt, for a release")

// TestGolden: this build reads what every earlier release sent. Each message was filled with values that follow from
// its fields' names, so that a field that was renumbered, or whose number was given to another, is found.
func TestGolden(t *testing.T) {
	if *golden != "" {
		writeGolden(t, filepath.Join("testdata", "golden", *golden+".txt"))
	}
	files, err := filepath.Glob("testdata/golden/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no golden files: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
			raw, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			mt, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
			if err != nil {
				t.Errorf("%s: message %s is gone: an older node still sends it", file, name)
				continue
			}
			m := mt.New()
			if err := proto.Unmarshal(raw, m.Interface()); err != nil {
				t.Errorf("%s: %s: %v", file, name, err)
				continue
			}
			compare(t, file, m)
		}
	}
}

// TestUnknownFields: what a newer build adds to a message survives its way through this one.
func TestUnknownFields(t *testing.T) {
	newer := append([]byte{0xf8, 0x3f, 0x07}, 0xf2, 0x3f, 0x02, 'h', 'i') // fields 1023 and 1022
	m := &Saved{}
	if err := proto.Unmarshal(newer, m); err != nil {
		t.Fatal(err)
	}
	again, err := proto.Marshal(m)
	if err != nil || !slices.Equal(again, newer) {
		t.Errorf("%x became %x, %v", newer, again, err)
	}
}

func writeGolden(t *testing.T, path string) {
	var lines []string
	protoregistry.GlobalFiles.RangeFilesByPackage("skep.wire.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Messages().Len() {
			d := f.Messages().Get(i)
			for _, m := range variants(d) {
				b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.Interface())
				if err != nil {
					t.Fatal(err)
				}
				lines = append(lines, fmt.Sprintf("%s %x\n", d.FullName(), b))
			}
		}
		return true
	})
	slices.Sort(lines)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// variants are a filled message, and one for each choice of its oneof.
func variants(d protoreflect.MessageDescriptor) []protoreflect.Message {
	var list []protoreflect.Message
	for i := range d.Oneofs().Len() {
		for j := range d.Oneofs().Get(i).Fields().Len() {
			m, f := filled(d, 0), d.Oneofs().Get(i).Fields().Get(j)
			if f.Message() != nil {
				m.Set(f, protoreflect.ValueOfMessage(filled(f.Message(), 1)))
			} else {
				m.Set(f, value(f))
			}
			list = append(list, m)
		}
	}
	if list == nil {
		list = append(list, filled(d, 0))
	}
	return list
}

// filled makes a message with every field set; of a oneof the last one.
func filled(d protoreflect.MessageDescriptor, depth int) protoreflect.Message {
	m := dynamicpb.NewMessage(d)
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		switch {
		case f.IsMap() || depth > 4:
		case f.IsList():
			list := m.NewField(f).List()
			if f.Message() != nil {
				list.Append(protoreflect.ValueOfMessage(filled(f.Message(), depth+1)))
			} else {
				list.Append(value(f))
			}
			m.Set(f, protoreflect.ValueOfList(list))
		case f.Message() != nil:
			m.Set(f, protoreflect.ValueOfMessage(filled(f.Message(), depth+1)))
		default:
			m.Set(f, value(f))
		}
	}
	return m
}

// value follows from a field's name.
func value(f protoreflect.FieldDescriptor) protoreflect.Value {
	n := crc32.ChecksumIEEE([]byte(f.FullName())) | 1
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(f.Enum().Values().Get(f.Enum().Values().Len() - 1).Number())
	case protoreflect.Int32Kind, protoreflect.Sint32Kind:
		return protoreflect.ValueOfInt32(int32(n >> 1))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind:
		return protoreflect.ValueOfInt64(int64(n))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(n)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(n))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(fmt.Sprint(n))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(fmt.Sprint(n)))
	}
	panic(fmt.Sprintf("field %s: the golden messages have no value of kind %s yet", f.FullName(), f.Kind()))
}

// compare holds every field that is set against the value its name demands.
func compare(t *testing.T, file string, m protoreflect.Message) {
	if u := m.GetUnknown(); len(u) > 0 {
		t.Errorf("%s: %s has fields this build does not know or reads differently: %x", file, m.Descriptor().FullName(), u)
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				compare(t, file, v.List().Get(i).Message())
			}
		case f.IsList():
			if v.List().Len() != 1 || !v.List().Get(0).Equal(value(f)) {
				t.Errorf("%s: %s is %v, want [%v]", file, f.FullName(), v, value(f))
			}
		case f.Message() != nil:
			compare(t, file, v.Message())
		case f.Kind() == protoreflect.EnumKind: // later releases may have more values
		case !v.Equal(value(f)):
			t.Errorf("%s: %s is %v, want %v", file, f.FullName(), v, value(f))
		}
		return true
	})
}

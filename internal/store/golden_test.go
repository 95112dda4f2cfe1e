package store

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/model"
	"google.golang.org/protobuf/encoding/protowire"
)

var newGolden = flag.Bool("new-golden", false, "write the golden files of the format that has none yet")

// formatVersion names the golden files of the present format. A release that writes new fields or tables adds its own;
// files that were released are never written again, and every later build must read them. (Until the first release,
// whoever changes what a field number means deletes the files and makes them anew.)
const formatVersion = "v3"

// TestGolden reads the log and the snapshot of every release and compares what this build makes of them with what
// that release meant: golden-*.rows.txt, one row a line.
func TestGolden(t *testing.T) {
	if *newGolden {
		writeGolden(t, filepath.Join("testdata", "golden-"+formatVersion))
	}
	logs, _ := filepath.Glob("testdata/golden-*.log")
	if len(logs) == 0 {
		t.Fatal("there are no golden files; make them with -new-golden")
	}
	for _, file := range logs {
		name := strings.TrimSuffix(file, ".log")
		t.Run(filepath.Base(name), func(t *testing.T) {
			want := read(t, name+".rows.txt")
			s := New()
			for i, raw := range readLog(t, file) {
				e, err := DecodeEntry(raw)
				if err != nil {
					t.Fatalf("entry %d: %v", i+1, err)
				}
				if again, err := EncodeEntry(e); err != nil || !bytes.Equal(raw, again) {
					t.Fatalf("entry %d does not survive being written again (%v)", i+1, err)
				}
				if err := s.Apply(uint64(i+1), e); err != nil {
					t.Fatalf("entry %d: %v", i+1, err)
				}
			}
			compare(t, "the log", string(want), dump(t, s.View()))
			s = New()
			if err := s.Restore(bytes.NewReader(read(t, name+".snapshot"))); err != nil {
				t.Fatal(err)
			}
			compare(t, "the snapshot", string(want), dump(t, s.View()))
		})
	}
}

// goldenEntries write every field of every table, overwrite, delete, and carry what a newer build might.
func goldenEntries() []Entry {
	var out []Entry
	add := func(w Writer, conditions []Condition, changes ...Change) {
		out = append(out, Entry{Time: int64(1000 + len(out)), Proposal: uint64(len(out)), Batch: &Batch{Writer: w, Conditions: conditions, Changes: changes}})
	}
	future := protowire.AppendBytes(protowire.AppendTag(nil, 500, protowire.BytesType), []byte("future"))
	for _, def := range tables() {
		row := fullRow(def)
		c := Change{Table: def.ID(), Key: row.Key(), Row: row}
		add(def.tableWriter(), []Condition{{Table: def.ID(), Key: row.Key()}}, c)
		row.GetMeta().Unknown = &future
		add(def.tableWriter(), []Condition{{Table: def.ID(), Key: row.Key(), Exists: true}}, c)
	}
	add(WriterAPI, nil,
		Change{Table: 30, Key: model.KeyOf(model.NumID(1)), raw: future},
		Change{Table: 30, Key: model.KeyPair(model.NumID(1), model.NumID(2)), raw: future})
	add(WriterAPI, nil, Change{Table: 30, Key: model.KeyOf(model.NumID(1))})
	add(WriterAPI, []Condition{Networks.Unused(model.KeyOf(model.NumID(77)))}, Secrets.Delete(model.KeyOf(model.NumID(77))))
	return out
}

func goldenStore(t *testing.T) *Store {
	s := New()
	for i, e := range goldenEntries() {
		if err := s.Apply(uint64(i+1), e); err != nil {
			t.Fatalf("entry %d: %v", i+1, err)
		}
	}
	return s
}

func writeGolden(t *testing.T, name string) {
	var log bytes.Buffer
	w := bufio.NewWriter(&log)
	for _, e := range goldenEntries() {
		raw, err := EncodeEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(writeRecord(w, raw), w.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	s := goldenStore(t)
	for suffix, data := range map[string][]byte{
		".log": log.Bytes(), ".snapshot": snapshotOf(t, s).Bytes(), ".rows.txt": []byte(dump(t, s.View())),
	} {
		f, err := os.OpenFile(name+suffix, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatalf("golden files are written once: %v", err)
		}
		if _, err := f.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// dump prints every row as JSON, documents as they were sent.
func dump(t *testing.T, v View) string {
	var out strings.Builder
	fmt.Fprintf(&out, "index %d, time %d\n", v.Index(), v.Now())
	for num, tr := range v.st.trees {
		if tr == nil {
			continue
		}
		tr.scan(func(r Row) bool {
			fields := map[string]string{}
			flatten(fields, "", r)
			b, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "%s %s\n", tableName(TableID(num)), b)
			return true
		})
	}
	v.st.unknown.Scan(func(r *unknownRow) bool {
		fmt.Fprintf(&out, "table %d %s %s %x, index %d, created %d, updated %d\n", r.table, r.key.A, r.key.B, r.raw, r.meta.Index, r.meta.Created, r.meta.Updated)
		return true
	})
	return out.String()
}

func readLog(t *testing.T, file string) [][]byte {
	r := bufio.NewReader(bytes.NewReader(read(t, file)))
	var out [][]byte
	for {
		if _, err := r.Peek(1); errors.Is(err, io.EOF) {
			return out
		}
		raw, err := readRecord(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, raw)
	}
}

func read(t *testing.T, file string) []byte {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func compare(t *testing.T, what, want, got string) {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			t.Fatalf("%s, line %d:\nmeant %s\nread  %s", what, i+1, at(w, i), at(g, i))
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

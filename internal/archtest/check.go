package archtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// finding is one place where a rule is broken.
type finding struct {
	where  string // file:line, or the package
	what   string
	reason string // why the rule exists
}

func (f finding) String() string { return fmt.Sprintf("%s: %s\n\t%s", f.where, f.what, f.reason) }

// exception is a finding that stays, and why.
type exception struct{ file, what, because string }

// exceptions are few; one that no longer applies is a finding itself.
func exceptions() []exception {
	return []exception{{
		file: "internal/store/wal/wal.go", what: "changes the package variable etcdwal.SegmentSizeBytes",
		because: "etcd's log offers no other way to choose the size of its files",
	}, {
		file: "cmd/skep/sim.go", what: "changes the package variable rand.Reader",
		because: "the raft library draws its election timeouts there, and a simulation is to be reproduced by its seed",
	}, {
		file: "internal/stack/compose", what: "imports github.com/sirupsen/logrus",
		because: "compose-go writes its warnings to that log and returns them to nobody; they are taken off it and shown as findings",
	}, {
		file: "internal/registry", what: "imports github.com/sirupsen/logrus",
		because: "the registry's library logs every request there; what matters of it the storage driver says, and the rest is thrown away",
	}}
}

// check judges the module in dir by every rule, but for the exceptions.
func check(ctx context.Context, dir string, except []exception) ([]finding, error) {
	s, err := load(ctx, dir)
	if err != nil {
		return nil, err
	}
	var found []finding
	for _, p := range s.pkgs {
		for _, rule := range []func(*source, pkg) []finding{
			importOrder, foreignImports, purity, documentation, naming, noInit, noMutableVariables,
		} {
			found = append(found, rule(s, p)...)
		}
	}
	for _, e := range except {
		kept := slices.DeleteFunc(found, func(f finding) bool {
			file, _, _ := strings.Cut(f.where, ":")
			return file == e.file && f.what == e.what
		})
		if len(kept) == len(found) {
			kept = append(kept, finding{e.file, "the exception \"" + e.what + "\" no longer applies", "Remove it: " + e.because + "."})
		}
		found = kept
	}
	slices.SortFunc(found, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.where, b.where), cmp.Compare(a.what, b.what))
	})
	return found, nil
}
